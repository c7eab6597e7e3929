/**
 * The schema of what a machine can be asked to be, with a sentence for every field.
 *
 * The command line's options, the fields of a configuration file and those of the object given to `Machine.start` are
 * three fronts of it: names, values, refusals and help all come from here. A front only says how it spells a field.
 * @module
 */

import * as z from "zod/mini";
import {
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

/** What help, completions and the fronts need to know of a field beside its type. */
export interface FieldNotes {
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
  /** May be given more than once on the command line; the values make a list. */
  readonly list?: boolean;
  /** Its device comes in a later version; help leaves it out. */
  readonly later?: boolean;
  /** Its numbers are plain numbers on the command line too. */
  readonly number?: boolean;
  /** A number without unit is in seconds on the command line. */
  readonly seconds?: boolean;
  /** Rewrites the paths in a raw value; absent where there are none. */
  readonly mapPaths?: (value: unknown, map: (path: string) => string) => unknown;
}

/** The notes of every field. */
const fieldNotes = z.registry<FieldNotes>();

function field<S extends z.ZodMiniType>(schema: S, notes: FieldNotes): z.ZodMiniOptional<S> {
  const optional = z.optional(schema);
  fieldNotes.add(optional, notes);
  return optional;
}

function laterField(
  sentence: string,
  hint: string,
  verb = "is",
): z.ZodMiniOptional<z.ZodMiniType<undefined, unknown>> {
  return field(later(`${sentence[0]!.toLowerCase()}${sentence.slice(1)} ${verb}`), {
    sentence,
    hint,
    group: "Machine",
    later: true,
  });
}

/** The default guests by name; any other series Debian's packages have is taken too. */
const DEBIAN_KERNELS = ["debian", "debian:6.1", "debian:6.12", "debian:generic", "debian:6.12-generic"];
/** `debian`, then a series of kernels, a flavour, or both. */
export const DEBIAN_FORM = /^debian(?::(?:(\d+\.\d+)(?:-(cloud|generic))?|(cloud|generic)))?$/;
const SERIAL_WORDS = ["stdio", "null", "file:"];
/** Ways to enter a kernel. */
export const PROTOCOLS = ["auto", "pvh", "linux64", "linux32", "multiboot", "flat"] as const;

const plainPath = (value: unknown, map: (path: string) => string): unknown =>
  typeof value === "string" && value !== "" && value !== "-" ? map(value) : value;

const serialPath = (value: unknown, map: (path: string) => string): unknown =>
  typeof value === "string" && /^file:./.test(value) ? `file:${map(value.slice("file:".length))}` : value;

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

const kernel = text({ what: "the path of a kernel file, or debian" }).check(
  z.refine((value) => !value.startsWith("debian:") || DEBIAN_FORM.test(value), {
    error: `default guests are named as ${orList(DEBIAN_KERNELS)}`,
  }),
);

const serial = z.string({ error: "it is stdio, null or file:PATH" }).check(
  z.refine((value) => value === "stdio" || value === "null" || /^file:[^\0]+$/.test(value), {
    error: "it is stdio, null or file:PATH",
  }),
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

/** The schema. Every field is optional; config.ts fills in the rest. */
export const fields = z.strictObject({
  kernel: field(kernel, {
    sentence: "Kernel to boot: a file (bzImage, ELF, multiboot, flat), or the default guest",
    standard: "debian",
    hint: "FILE|debian[:6.1|:6.12]",
    group: "Guest",
    words: DEBIAN_KERNELS,
    file: true,
    mapPaths: kernelPath,
  }),
  initrd: field(path(), {
    sentence: "Initial RAM disk given to the kernel",
    hint: "FILE",
    group: "Guest",
    file: true,
    mapPaths: plainPath,
  }),
  append: field(text({ what: "text for the kernel's command line", empty: true }), {
    sentence: "Text for the kernel's command line, after what the default guest needs",
    hint: "TEXT",
    group: "Guest",
  }),
  modules: field(names("the name of a kernel module"), {
    sentence: "Kernel modules the default guest loads, with what they depend on",
    hint: "NAME,...",
    group: "Guest",
    list: true,
  }),
  bootModules: field(
    z.array(bootModule, { error: `it is a list, in which ${BOOT_MODULE.slice(3)} is an entry` }),
    {
      sentence: "Boot module of a multiboot or PVH kernel, with a command line of its own; may be repeated",
      hint: "FILE[,TEXT]",
      group: "Guest",
      flag: "bootModule",
      list: true,
      file: true,
      mapPaths: modulePaths,
    },
  ),
  protocol: field(choice(PROTOCOLS), {
    sentence: "How the kernel is entered; auto goes by what the file is",
    standard: "auto",
    hint: PROTOCOLS.join("|"),
    group: "Guest",
    words: PROTOCOLS,
  }),
  command: field(z.array(text({ what: "text", empty: true }), { error: "it is a list of texts" }), {
    sentence: "Command the default guest runs instead of a shell; its status becomes hvm's",
    hint: "COMMAND...",
    group: "Guest",
  }),
  memory: field(memorySize, {
    sentence: "Memory of the guest, in bytes or with K, M, G",
    standard: "512M",
    hint: "SIZE",
    group: "Machine",
    words: ["256M", "512M", "1G", "2G"],
  }),
  cpus: field(cpuCount, {
    sentence: "Number of CPUs; this version runs one",
    standard: "1",
    hint: "N",
    group: "Machine",
    number: true,
  }),
  cpu: field(choice(["host", "baseline"]), {
    sentence: "CPU the guest sees: all the host can do, or a fixed x86-64-v2 that is the same everywhere",
    standard: "host",
    hint: "host|baseline",
    group: "Machine",
    words: ["host", "baseline"],
  }),
  acpi: field(onOff, {
    sentence: "Whether the guest finds ACPI tables",
    standard: "on",
    hint: "on|off",
    group: "Machine",
    words: ["on", "off"],
  }),
  lapic: field(onOff, {
    sentence: "Whether there is a local APIC; off takes the I/O APIC away too",
    standard: "on",
    hint: "on|off",
    group: "Machine",
    words: ["on", "off"],
  }),
  ioapic: field(onOff, {
    sentence: "Whether there is an I/O APIC",
    standard: "on",
    hint: "on|off",
    group: "Machine",
    words: ["on", "off"],
  }),
  engine: field(choice(["auto", "kvm", "soft"]), {
    sentence: "What runs the guest; auto takes the fastest that can, and says which and why",
    standard: "auto",
    hint: "auto|kvm|soft",
    group: "Host",
    words: ["auto", "kvm", "soft"],
  }),
  irqchip: field(choice(["auto", "user", "split", "kernel"]), {
    sentence: "Who emulates the interrupt controllers: hvm, hvm and KVM, or KVM",
    standard: "auto",
    hint: "auto|user|split|kernel",
    group: "Host",
    words: ["auto", "user", "split", "kernel"],
  }),
  serial: field(serial, {
    sentence: "Where the first serial port goes",
    standard: "stdio",
    hint: "stdio|null|file:PATH",
    group: "Run",
    words: SERIAL_WORDS,
    mapPaths: serialPath,
  }),
  onReboot: field(choice(["exit", "reset"]), {
    sentence: "What a reboot of the guest does: end the run, or start the guest again",
    standard: "exit",
    hint: "exit|reset",
    group: "Run",
    words: ["exit", "reset"],
  }),
  timeout: field(duration, {
    sentence:
      "Ends the run after this time: seconds here, milliseconds as a number in a file, or 90s, 2m, 1h anywhere",
    hint: "SECONDS",
    group: "Run",
    seconds: true,
  }),
  json: field(path(), {
    sentence: "Writes how the run ended as one line of JSON; - is standard output",
    hint: "FILE|-",
    group: "Run",
    file: true,
    mapPaths: plainPath,
  }),
  trace: field(path(), {
    sentence: "Writes the trace points the guest hits, one a line",
    hint: "FILE",
    group: "Run",
    file: true,
    mapPaths: plainPath,
  }),
  disk: laterField("Disks", "FILE", "are"),
  cdrom: laterField("The CD-ROM drive", "FILE"),
  nic: laterField("Network cards", "virtio|ne2k", "are"),
  net: laterField("The network", "none|user"),
  firmware: laterField("Firmware", "builtin|FILE"),
  gdb: laterField("The debugger's port", "unix:PATH|PORT"),
}, { error: "it is an object" });

/** What a machine may be asked to be; everything has a default. */
export type MachineOptions = z.input<typeof fields>;
/** The same with each value in its own form. */
export type Fields = z.output<typeof fields>;

/** The name of a field. */
export type FieldName = keyof Fields;

/** The fields in the order help shows them, with their notes. */
export function describeFields(): readonly { readonly name: FieldName; readonly notes: FieldNotes }[] {
  return (Object.keys(fields.shape) as FieldName[]).map((name) => {
    const notes = fieldNotes.get(fields.shape[name]);
    if (notes === undefined) throw new TypeError(`Field ${name} has no notes`);
    return { name, notes };
  });
}
