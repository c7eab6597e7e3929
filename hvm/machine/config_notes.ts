/**
 * What help, completions and the fronts need to know of every field of a machine's configuration, beside its type.
 *
 * The schema itself is config_schema.ts, which has a value for every name here and no other. This file needs no library, so
 * that the plain run of a guest loads none.
 * @module
 */

/** What a field's value is; `later`: its device comes in a later version, and help leaves it out. */
export type FieldKind =
  | "cache"
  | "command"
  | "count"
  | "debugger"
  | "kernel"
  | "later"
  | "modules"
  | "names"
  | "serial"
  | "size"
  | "switch"
  | "text"
  | "time"
  | "typed"
  | "word";

/** What help, completions and the fronts need to know of a field beside its type. */
export interface FieldNotes {
  /** What its value is. */
  readonly kind: FieldKind;
  /** What it is, in one sentence. */
  readonly sentence: string;
  /** What it is when nobody says, as help shows it. */
  readonly standard?: string;
  /** What stands for the value in help, as `SIZE`. */
  readonly hint: string;
  readonly group: "Guest" | "Machine" | "Host" | "Run";
  /** The words it may be, for completions. */
  readonly words?: readonly string[];
  /** The option's name on the command line, where it is not the field's. */
  readonly flag?: string;
  /** The value is a file, for completions. */
  readonly file?: boolean;
  /** Rewrites the paths in a raw value; absent where there are none. */
  readonly mapPaths?: (value: unknown, map: (path: string) => string) => unknown;
}

/** The default guests by name; any other series Debian's packages have is taken too. */
export const DEBIAN_KERNELS = [
  "debian",
  "debian:6.1",
  "debian:6.12",
  "debian:generic",
  "debian:6.12-generic",
];
/** The words of the fields that are one of a few. */
export const WORDS = {
  protocol: ["auto", "pvh", "linux64", "linux32", "multiboot", "flat"],
  cpu: ["host", "baseline"],
  engine: ["auto", "kvm", "soft"],
  irqchip: ["auto", "user", "split", "kernel"],
  clock: ["host", "instructions"],
  onReboot: ["exit", "reset"],
} as const;
const ON_OFF = ["on", "off"] as const;

const plainPath = (value: unknown, map: (path: string) => string): unknown =>
  typeof value === "string" && value !== "" && value !== "-" ? map(value) : value;

const serialPath = (value: unknown, map: (path: string) => string): unknown =>
  typeof value === "string" && /^file:./.test(value) ? `file:${map(value.slice("file:".length))}` : value;

const socketPath = (value: unknown, map: (path: string) => string): unknown =>
  typeof value === "string" && /^unix:./.test(value) ? `unix:${map(value.slice("unix:".length))}` : value;

const kernelPath = (value: unknown, map: (path: string) => string): unknown =>
  typeof value === "string" && /^debian(:|$)/.test(value) ? value : plainPath(value, map);

const modulePaths = (value: unknown, map: (path: string) => string): unknown => {
  if (!Array.isArray(value)) return plainPath(value, map);
  return value.map((entry: unknown) =>
    typeof entry === "object" && entry !== null && "file" in entry
      ? { ...entry, file: plainPath(entry.file, map) }
      : plainPath(entry, map)
  );
};

function laterNotes(what: string, hint: string, verb = "is"): FieldNotes {
  return {
    kind: "later",
    sentence: `${what} ${verb} not there yet in this version`,
    hint,
    group: "Machine",
  };
}

/** The notes of every field, in the order help shows them. */
export const FIELD_NOTES = {
  kernel: {
    kind: "kernel",
    sentence: "Kernel to boot: a file (bzImage, ELF, multiboot, flat), or the default guest",
    standard: "debian",
    hint: "FILE|debian[:6.1|:6.12]",
    group: "Guest",
    words: DEBIAN_KERNELS,
    file: true,
    mapPaths: kernelPath,
  },
  initrd: {
    kind: "text",
    sentence: "Initial RAM disk given to the kernel",
    hint: "FILE",
    group: "Guest",
    file: true,
    mapPaths: plainPath,
  },
  append: {
    kind: "text",
    sentence: "Text for the kernel's command line, after what the default guest needs",
    hint: "TEXT",
    group: "Guest",
  },
  modules: {
    kind: "names",
    sentence: "Kernel modules the default guest loads, with what they depend on",
    hint: "NAME,...",
    group: "Guest",
  },
  bootModules: {
    kind: "modules",
    sentence: "Boot module of a multiboot or PVH kernel, with a command line of its own; may be repeated",
    hint: "FILE[,TEXT]",
    group: "Guest",
    flag: "bootModule",
    file: true,
    mapPaths: modulePaths,
  },
  protocol: {
    kind: "word",
    sentence: "How the kernel is entered; auto goes by what the file is",
    standard: "auto",
    hint: WORDS.protocol.join("|"),
    group: "Guest",
    words: WORDS.protocol,
  },
  command: {
    kind: "command",
    sentence: "Command the default guest runs instead of a shell; its status becomes hvm's",
    hint: "COMMAND...",
    group: "Guest",
  },
  memory: {
    kind: "size",
    sentence: "Memory of the guest, in bytes or with K, M, G",
    standard: "512M",
    hint: "SIZE",
    group: "Machine",
    words: ["256M", "512M", "1G", "2G"],
  },
  cpus: {
    kind: "count",
    sentence: "Number of CPUs; this version runs one",
    standard: "1",
    hint: "N",
    group: "Machine",
  },
  cpu: {
    kind: "word",
    sentence: "CPU the guest sees: all the host can do, or a fixed x86-64-v2 that is the same everywhere",
    standard: "host",
    hint: WORDS.cpu.join("|"),
    group: "Machine",
    words: WORDS.cpu,
  },
  acpi: {
    kind: "switch",
    sentence: "Whether the guest finds ACPI tables",
    standard: "on",
    hint: "on|off",
    group: "Machine",
    words: ON_OFF,
  },
  lapic: {
    kind: "switch",
    sentence: "Whether there is a local APIC; off takes the I/O APIC away too",
    standard: "on",
    hint: "on|off",
    group: "Machine",
    words: ON_OFF,
  },
  ioapic: {
    kind: "switch",
    sentence: "Whether there is an I/O APIC",
    standard: "on",
    hint: "on|off",
    group: "Machine",
    words: ON_OFF,
  },
  engine: {
    kind: "word",
    sentence: "What runs the guest; auto takes the fastest that can, and says which and why",
    standard: "auto",
    hint: WORDS.engine.join("|"),
    group: "Host",
    words: WORDS.engine,
  },
  irqchip: {
    kind: "word",
    sentence: "Who emulates the interrupt controllers: hvm, hvm and KVM, or KVM",
    standard: "auto",
    hint: WORDS.irqchip.join("|"),
    group: "Host",
    words: WORDS.irqchip,
  },
  serial: {
    kind: "serial",
    sentence: "Where the first serial port goes",
    standard: "stdio",
    hint: "stdio|null|file:PATH",
    group: "Run",
    words: ["stdio", "null", "file:"],
    mapPaths: serialPath,
  },
  onReboot: {
    kind: "word",
    sentence: "What a reboot of the guest does: end the run, or start the guest again",
    standard: "exit",
    hint: WORDS.onReboot.join("|"),
    group: "Run",
    words: WORDS.onReboot,
  },
  clock: {
    kind: "word",
    sentence:
      "What the guest's time follows: the host's clock, or the instructions it executed, which makes runs repeatable",
    standard: "host",
    hint: WORDS.clock.join("|"),
    group: "Machine",
    words: WORDS.clock,
  },
  typed: {
    kind: "typed",
    sentence:
      "Text typed at the first serial port AT instructions after the start, with --clock instructions; may be repeated",
    hint: "AT:TEXT",
    group: "Run",
    flag: "type",
  },
  blockCache: {
    kind: "cache",
    sentence: "Memory for decoded instructions of engine soft",
    standard: "16M",
    hint: "SIZE",
    group: "Machine",
  },
  timeout: {
    kind: "time",
    sentence:
      "Ends the run after this time: seconds here, milliseconds as a number in a file, or 90s, 2m, 1h anywhere",
    hint: "SECONDS",
    group: "Run",
  },
  json: {
    kind: "text",
    sentence: "Writes how the run ended as one line of JSON; - is standard output",
    hint: "FILE|-",
    group: "Run",
    file: true,
    mapPaths: plainPath,
  },
  trace: {
    kind: "text",
    sentence: "Writes the trace points the guest hits, one a line",
    hint: "FILE",
    group: "Run",
    file: true,
    mapPaths: plainPath,
  },
  gdb: {
    kind: "debugger",
    sentence: "Waits for gdb at a port of this host, or at a socket, before the guest's first instruction",
    hint: "unix:PATH|PORT",
    group: "Run",
    words: ["unix:"],
    mapPaths: socketPath,
  },
  disk: laterNotes("Disks", "FILE", "are"),
  cdrom: laterNotes("The CD-ROM drive", "FILE"),
  nic: laterNotes("Network cards", "virtio|ne2k", "are"),
  net: laterNotes("The network", "none|user"),
  firmware: laterNotes("Firmware", "builtin|FILE"),
} satisfies Record<string, FieldNotes>;

/** The name of a field. */
export type FieldName = keyof typeof FIELD_NOTES;

/** The fields in the order help shows them, with their notes. */
export function describeFields(): readonly { readonly name: FieldName; readonly notes: FieldNotes }[] {
  return (Object.keys(FIELD_NOTES) as FieldName[]).map((name) => ({ name, notes: FIELD_NOTES[name] }));
}
