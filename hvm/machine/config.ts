/**
 * From what was asked for to a complete, checked configuration.
 *
 * The schema is config_fields.ts; here are the rules between fields, the defaults and the form the rest of hvm reads.
 * @module
 */

import type * as z from "zod/mini";
import { ConfigError } from "../base/errors.ts";
import type { DebianChoice } from "../host/debian.ts";
import { DEBIAN_FORM, type Fields, fields, type PROTOCOLS } from "./config_fields.ts";
import { nearest } from "./nearest.ts";
import { sizeText } from "./units.ts";

export type { MachineOptions } from "./config_fields.ts";

/** A module for a multiboot or PVH kernel. */
export interface BootModule {
  readonly file: string;
  /** Its command line. */
  readonly text: string;
}

/** A kernel file, or one of the default guests. */
export type KernelSource =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "debian"; readonly choice: DebianChoice };

/** Where the first serial port goes. */
export type SerialTarget =
  | { readonly kind: "stdio" }
  | { readonly kind: "null" }
  | { readonly kind: "file"; readonly path: string };

/** The same, checked and complete: plain data that crosses threads. */
export interface MachineConfig {
  readonly kernel: KernelSource;
  readonly initrd?: string;
  /** Empty when nothing was asked for. */
  readonly append: string;
  readonly modules: readonly string[];
  readonly bootModules: readonly BootModule[];
  readonly protocol: typeof PROTOCOLS[number];
  /** Empty: the default guest's shell. */
  readonly command: readonly string[];
  readonly memoryBytes: number;
  readonly cpus: number;
  readonly cpu: "host" | "baseline";
  readonly acpi: boolean;
  readonly lapic: boolean;
  readonly ioapic: boolean;
  readonly engine: "auto" | "kvm" | "soft";
  readonly irqchip: "auto" | "user" | "split" | "kernel";
  /** Absent when not asked for: the command line takes stdio, a script its console object only. */
  readonly serial?: SerialTarget;
  readonly onReboot: "exit" | "reset";
  readonly timeoutMs?: number;
  readonly json?: string;
  readonly trace?: string;
}

const DEFAULT_MEMORY_BYTES = 512 * 2 ** 20;

/** How one front spells things, and what it knows of the host. */
export interface ParseOptions {
  /** Spells a field, with its value where there is one: `--memory 12Q`, `memory 12Q in machine.json`. */
  readonly spell?: (path: string, value?: string) => string;
  /** Memory of the host; a guest cannot have more. */
  readonly hostMemoryBytes?: number;
}

/**
 * Checks what was asked for and fills in the rest.
 * @param input of the form {@linkcode MachineOptions}; anything else is refused
 * @throws {ConfigError} with one sentence and the path of the field.
 */
export function parseConfig(input: unknown, options: ParseOptions = {}): MachineConfig {
  const spell = options.spell ?? ((path, value) => value === undefined ? path : `${path} ${value}`);
  const result = fields.safeParse(input ?? {});
  if (!result.success) {
    const { path, message } = faultOf(result.error.issues[0]!, input);
    throw refusal(spell, input, path, message);
  }
  const conflict = conflictIn(result.data, options.hostMemoryBytes);
  if (conflict !== undefined) throw refusal(spell, input, conflict.path, conflict.message);
  return complete(result.data);
}

type Fault = { readonly path: string; readonly message: string };

function refusal(
  spell: NonNullable<ParseOptions["spell"]>,
  input: unknown,
  path: string,
  why: string,
): ConfigError {
  if (path === "") return new ConfigError(`Cannot use ${spell("the configuration", shown(input))}: ${why}`);
  const value = path.split(".").reduce<unknown>(
    (at, key) =>
      typeof at === "object" && at !== null && Object.hasOwn(at, key) ? Reflect.get(at, key) : undefined,
    input,
  );
  return new ConfigError(
    `Cannot use ${spell(path, value === undefined ? undefined : shown(value))}: ${why}`,
    { path },
  );
}

/** A value as an error shows it: one short line. */
function shown(value: unknown): string {
  const isPlain = (text: unknown) => typeof text === "string" && /^[\x21-\x7e]+$/.test(text);
  const plain = isPlain(value) || typeof value === "number" ||
    Array.isArray(value) && value.length > 0 && value.every(isPlain);
  const whole = plain ? String(value) : json(value);
  return whole.length > 60 ? `${whole.slice(0, 57)}...` : whole;
}

function json(value: unknown): string {
  try {
    return JSON.stringify(value) ?? typeof value;
  } catch {
    return typeof value;
  }
}

function faultOf(issue: z.core.$ZodIssue, input: unknown): Fault {
  const path = issue.path.map(String);
  if (issue.code !== "unrecognized_keys") return { path: path.join("."), message: issue.message };
  const key = issue.keys[0] ?? "";
  const within = path.length === 0 ? Object.keys(fields.shape) : ["file", "text"];
  const meant = nearest(key, within.filter((name) => !Object.hasOwn(Object(input), name)));
  const hint = meant === undefined ? "" : `, did you mean ${meant}?`;
  return { path: [...path, key].join("."), message: `there is no such field${hint}` };
}

/** What is wrong between fields that are each fine. */
function conflictIn(data: Fields, hostMemoryBytes: number | undefined): Fault | undefined {
  const memory = data.memory ?? DEFAULT_MEMORY_BYTES;
  if (hostMemoryBytes !== undefined && memory > hostMemoryBytes) {
    return { path: "memory", message: `the host has ${sizeText(hostMemoryBytes)}` };
  }
  const ownInit = !isDebian(data.kernel) || data.initrd !== undefined;
  const needsDefault = data.command !== undefined && data.command.length > 0 ? "command" : "modules";
  if (ownInit && (data[needsDefault]?.length ?? 0) > 0) {
    const other = isDebian(data.kernel) ? "an initrd" : "a kernel";
    return {
      path: needsDefault,
      message: `only the default guest takes it, and there is ${other} of your own`,
    };
  }
  if (isDebian(data.kernel) && (data.bootModules?.length ?? 0) > 0) {
    return {
      path: "bootModules",
      message: "the default guest takes none; its own are fields modules and initrd",
    };
  }
  if (data.lapic === false && data.ioapic === true) {
    return { path: "ioapic", message: "without a local APIC there is no I/O APIC" };
  }
  if (data.lapic === false && (data.irqchip === "split" || data.irqchip === "kernel")) {
    return {
      path: "irqchip",
      message: "KVM's interrupt controllers come with a local APIC, and lapic is off",
    };
  }
  return undefined;
}

function isDebian(kernel: string | undefined): boolean {
  return kernel === undefined || DEBIAN_FORM.test(kernel);
}

function complete(data: Fields): MachineConfig {
  const lapic = data.lapic ?? true;
  const irqchip = data.irqchip ?? "auto";
  return {
    kernel: kernelSource(data.kernel ?? "debian"),
    ...(data.initrd === undefined ? {} : { initrd: data.initrd }),
    append: data.append ?? "",
    modules: data.modules ?? [],
    bootModules: (data.bootModules ?? []).map(({ file, text }) => ({ file, text: text ?? "" })),
    protocol: data.protocol ?? "auto",
    command: data.command ?? [],
    memoryBytes: data.memory ?? DEFAULT_MEMORY_BYTES,
    cpus: data.cpus ?? 1,
    cpu: data.cpu ?? "host",
    acpi: data.acpi ?? true,
    lapic,
    ioapic: lapic && (data.ioapic ?? true),
    engine: data.engine ?? "auto",
    irqchip: !lapic && irqchip === "auto" ? "user" : irqchip,
    ...(data.serial === undefined ? {} : { serial: serialTarget(data.serial) }),
    onReboot: data.onReboot ?? "exit",
    ...(data.timeout === undefined ? {} : { timeoutMs: data.timeout }),
    ...(data.json === undefined ? {} : { json: data.json }),
    ...(data.trace === undefined ? {} : { trace: data.trace }),
  };
}

function kernelSource(kernel: string): KernelSource {
  const match = DEBIAN_FORM.exec(kernel);
  if (match === null) return { kind: "file", path: kernel };
  const [, series, ofSeries, alone] = match;
  const flavour = (ofSeries ?? alone) === "generic" ? "generic" : "cloud";
  return { kind: "debian", choice: series === undefined ? { flavour } : { series, flavour } };
}

function serialTarget(serial: string): SerialTarget {
  if (serial === "stdio" || serial === "null") return { kind: serial };
  return { kind: "file", path: serial.slice("file:".length) };
}
