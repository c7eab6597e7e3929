/**
 * `hvm info`: what this host can do, which engine auto takes and why, and what a machine has where.
 * @module
 */

import { ConfigError, HostError } from "../base/errors.ts";
import { boardResources, PORT } from "../machine/layout.ts";
import { parseConfig } from "../machine/config.ts";
import { sizeText } from "../machine/units.ts";
import { type Probe, probe } from "../vendor/probe.ts";
import { VERSION } from "./version.ts";

/** Everything `hvm info` knows; what `--json` prints. */
export interface HostInfo {
  readonly hvm: string;
  readonly deno: string;
  readonly host: {
    readonly kernel: string;
    readonly processor: string;
    readonly cpus: number;
    readonly memoryBytes: number;
  };
  /** The engine that auto takes, or why there is none. */
  readonly engine: { readonly name: string; readonly reason: string } | {
    readonly name: null;
    readonly reason: string;
  };
  readonly caps: Probe["caps"] | null;
  readonly kvm: Probe["capabilities"] | null;
  readonly quirks: Probe["quirks"];
  readonly hiddenFeatures: readonly string[];
  readonly machine: {
    readonly memory: readonly MapEntry[];
    readonly ports: readonly MapEntry[];
    readonly interrupts: readonly { readonly irq: number; readonly what: string }[];
  };
}

/** A run of addresses or ports and what is there. */
interface MapEntry {
  readonly base: number;
  readonly length: number;
  readonly what: string;
}

/** The report, as text or as JSON. */
export function hostReport(json: boolean): string {
  const info = hostInfo();
  return json ? `${JSON.stringify(info, null, 2)}\n` : reportText(info);
}

/** Asks host and engine. Never fails: that there is no engine is an answer too. */
export function hostInfo(ask: () => Probe = () => probe("auto", { measureTsc: true })): HostInfo {
  const found = attempt(ask);
  const probed = "vendor" in found ? found : undefined;
  return {
    hvm: VERSION,
    deno: Deno.version.deno,
    host: {
      kernel: `Linux ${Deno.osRelease()}`,
      processor: processorName(),
      cpus: navigator.hardwareConcurrency,
      memoryBytes: Deno.systemMemoryInfo().total,
    },
    engine: { name: probed?.vendor ?? null, reason: "vendor" in found ? found.reason : found.why },
    caps: probed?.caps ?? null,
    kvm: probed?.capabilities ?? null,
    quirks: probed?.quirks ?? [],
    hiddenFeatures: probed?.hiddenFeatures ?? [],
    machine: defaultMachine(),
  };
}

function attempt(ask: () => Probe): Probe | { readonly why: string } {
  try {
    return ask();
  } catch (error) {
    if (error instanceof HostError || error instanceof ConfigError) return { why: error.message };
    throw error;
  }
}

function processorName(): string {
  try {
    return /^model name\s*:\s*(.*)$/m.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1] ?? "unknown";
  } catch {
    return "unknown";
  }
}

/** Ports of devices that ACPI has no need to name. */
const UNLISTED_PORTS: readonly MapEntry[] = [
  { base: PORT.PIC_PRIMARY, length: 2, what: "primary PIC" },
  { base: PORT.PIC_SECONDARY, length: 2, what: "secondary PIC" },
  { base: PORT.ELCR, length: 2, what: "PIC edge/level control" },
  { base: PORT.PIT, length: 4, what: "PIT" },
  { base: PORT.SYSTEM_CONTROL_B, length: 1, what: "system control B" },
  { base: PORT.SYSTEM_CONTROL_A, length: 1, what: "system control A" },
  { base: PORT.POST_CODE, length: 1, what: "POST codes" },
  { base: PORT.DEBUG_CONSOLE, length: 1, what: "debug console" },
  { base: PORT.FIRMWARE_DEBUG, length: 1, what: "firmware's debug console" },
  { base: PORT.TEST_EXIT, length: 1, what: "test exit" },
  { base: PORT.PCI_CONFIG, length: 8, what: "PCI configuration" },
];

/** What a machine made without options has where. */
function defaultMachine(): HostInfo["machine"] {
  const config = parseConfig({});
  const board = boardResources(config);
  const fixed = board.fixed;
  const memory = [
    { base: 0, length: config.memoryBytes, what: "RAM" },
    ...(board.pci?.memory ?? []).map(({ base, length }) => ({ base, length, what: "PCI devices" })),
    ...(board.ioapic ? [{ base: board.ioapic.base, length: 0x1000, what: "I/O APIC" }] : []),
    ...(board.lapicBase === undefined ? [] : [{ base: board.lapicBase, length: 0x1000, what: "local APIC" }]),
  ];
  const ports = [
    ...UNLISTED_PORTS,
    ...board.isa.flatMap(({ name, placed }) =>
      placed.filter(({ space }) => space === "port").map(({ base, length }) => ({ base, length, what: name }))
    ),
    ...(fixed === undefined ? [] : [
      { base: fixed.pm1EventPort, length: 4, what: "PM1 events" },
      { base: fixed.pm1ControlPort, length: 2, what: "PM1 control" },
      { base: fixed.pmTimerPort, length: 4, what: "PM timer" },
      { base: fixed.gpe0Port, length: fixed.gpe0Length, what: "GPE0" },
      { base: fixed.smiCommandPort, length: 1, what: "SMI command" },
      { base: fixed.resetPort, length: 1, what: "reset" },
    ]),
  ];
  const interrupts = board.isa.flatMap(({ name, irq }) => irq === undefined ? [] : [{ irq, what: name }]);
  if (fixed !== undefined) interrupts.push({ irq: fixed.sciIrq, what: "SCI" });
  return {
    memory: memory.sort((a, b) => a.base - b.base),
    ports: ports.sort((a, b) => a.base - b.base),
    interrupts: interrupts.sort((a, b) => a.irq - b.irq),
  };
}

function reportText(info: HostInfo): string {
  const { host, engine, caps } = info;
  const sections = [
    section(`hvm ${info.hvm}, Deno ${info.deno}`, [
      ["kernel", host.kernel],
      ["processor", `${host.processor}, ${host.cpus} CPUs`],
      ["memory", sizeText(host.memoryBytes)],
      ["engine", engine.name ?? "none"],
      ["why", engine.reason],
    ]),
  ];
  if (caps !== null) {
    sections.push(section("What the engine can do", [
      ["irqchip", caps.irqchips.join(", ")],
      ["stock guests", yesNo(caps.stockGuests)],
      ["real mode", yesNo(caps.realMode)],
      ["registers with exits", yesNo(caps.syncRegs)],
      ["batched writes", yesNo(caps.coalescedIo)],
      ["read-only memory", yesNo(caps.readonlyMemory)],
      ["MSR exits", yesNo(caps.msrExits)],
      ["most CPUs", String(caps.maxCpus)],
      ["TSC", `${caps.tscKhz / 1000} MHz`],
      ["hidden features", info.hiddenFeatures.join(", ") || "none"],
    ]));
  }
  if (info.quirks.length > 0) {
    sections.push(
      section("Quirks", info.quirks.map(({ id, evidence, answer }) => [id, `${evidence}. ${answer}`])),
    );
  }
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, "0");
  const range = ({ base, length }: MapEntry, digits: number) =>
    `${hex(base, digits)}-${hex(base + length - 1, digits)}`;
  sections.push(
    section("Memory of a machine", info.machine.memory.map((entry) => [range(entry, 9), entry.what])),
    section("Ports", info.machine.ports.map((entry) => [range(entry, 4), entry.what])),
    section("Interrupts", info.machine.interrupts.map(({ irq, what }) => [String(irq), what])),
  );
  return sections.join("\n");
}

function yesNo(value: boolean): string {
  return value ? "yes" : "no";
}

/** A title and lines in two columns. */
function section(title: string, rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return `${title}\n${rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}\n`).join("")}`;
}
