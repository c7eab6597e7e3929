/**
 * The schema of what a machine can be asked to be.
 *
 * The command line's options, the fields of a configuration file and those of the object given to `Machine.start` are
 * three fronts of it; a front only says how it spells a field. The sentences are in config_notes.ts.
 * @module
 */

import * as z from "zod/mini";
import {
  debuggerFault,
  isKernel,
  isSerial,
  LAST_INSTRUCTION,
  type TypedText,
  unescapeText,
} from "./config_checks.ts";
import { DEBIAN_KERNELS, FIELD_NOTES, type FieldName, WORDS } from "./config_notes.ts";
import {
  blockCacheSize,
  choice,
  cpuCount,
  duration,
  later,
  memorySize,
  names,
  onOff,
  orList,
  path,
  text,
} from "./config_values.ts";

const kernel = text({ what: "the path of a kernel file, or debian" }).check(
  z.refine(isKernel, {
    error: `default guests are named as ${orList(DEBIAN_KERNELS)}`,
  }),
);

const serial = z.string({ error: "it is stdio, null or file:PATH" }).check(
  z.refine(isSerial, {
    error: "it is stdio, null or file:PATH",
  }),
);

const gdb = z.union([z.string(), z.number()], { error: "it is a port, or unix:PATH" }).check(
  (context) => {
    const fault = debuggerFault(context.value);
    if (fault !== undefined) context.issues.push({ code: "custom", message: fault, input: context.value });
  },
);

const BOOT_MODULE = "it is FILE or FILE,TEXT";
const bootModule = z.pipe(
  z.transform((value: string | { file: string; text?: string | undefined }) => {
    if (typeof value !== "string") return value;
    const comma = value.indexOf(",");
    return comma < 0 ? { file: value } : { file: value.slice(0, comma), text: value.slice(comma + 1) };
  }),
  z.strictObject({
    file: path(),
    text: z.optional(text({ what: "the module's own command line", empty: true })),
  }, { error: BOOT_MODULE }),
);

const TYPED = "it is AT:TEXT, with AT a number of instructions";
const typed = z.pipe(
  z.transform((value: string | TypedText) => {
    const match = typeof value === "string" ? /^(\d+):([^]*)$/.exec(value) : null;
    return match === null ? value : { at: Number(match[1]), text: unescapeText(match[2]!) };
  }),
  z.strictObject({
    at: z.number({ error: TYPED }).check(
      z.refine((at) => Number.isSafeInteger(at) && at >= 0 && at <= LAST_INSTRUCTION, {
        error: `instructions are counted from 0 to ${LAST_INSTRUCTION}`,
      }),
    ),
    text: text({ what: "what is typed" }),
  }, { error: TYPED }),
);

/** The schema. Every field is optional; config_rules.ts fills in the rest. */
export const fields = z.strictObject(
  {
    kernel: z.optional(kernel),
    initrd: z.optional(path()),
    append: z.optional(text({ what: "text for the kernel's command line", empty: true })),
    modules: z.optional(names("the name of a kernel module")),
    bootModules: z.optional(
      z.array(bootModule, { error: `it is a list, in which ${BOOT_MODULE.slice(3)} is an entry` }),
    ),
    protocol: z.optional(choice(WORDS.protocol)),
    command: z.optional(z.array(text({ what: "text", empty: true }), { error: "it is a list of texts" })),
    memory: z.optional(memorySize),
    cpus: z.optional(cpuCount),
    cpu: z.optional(choice(WORDS.cpu)),
    acpi: z.optional(onOff),
    lapic: z.optional(onOff),
    ioapic: z.optional(onOff),
    engine: z.optional(choice(WORDS.engine)),
    irqchip: z.optional(choice(WORDS.irqchip)),
    serial: z.optional(serial),
    onReboot: z.optional(choice(WORDS.onReboot)),
    clock: z.optional(choice(WORDS.clock)),
    typed: z.optional(z.array(typed, { error: `it is a list, in which ${TYPED.slice(3)} is an entry` })),
    blockCache: z.optional(blockCacheSize),
    timeout: z.optional(duration),
    json: z.optional(path()),
    trace: z.optional(path()),
    disk: laterField("disk"),
    cdrom: laterField("cdrom"),
    nic: laterField("nic"),
    net: laterField("net"),
    firmware: laterField("firmware"),
    gdb: z.optional(gdb),
  } satisfies Record<FieldName, z.ZodMiniType>,
  { error: "it is an object" },
);

function laterField(name: FieldName): z.ZodMiniOptional<z.ZodMiniType<undefined, unknown>> {
  const { sentence } = FIELD_NOTES[name];
  return z.optional(later(`${sentence[0]!.toLowerCase()}${sentence.slice(1)}`));
}

/** What a machine may be asked to be; everything has a default. */
export type MachineOptions = z.input<typeof fields>;
/** The same with each value in its own form. */
export type Fields = z.output<typeof fields>;
