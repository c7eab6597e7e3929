/**
 * The registers GDB is told of, in their order, and the target description that tells it.
 *
 * Sources: [GDB] GDB manual, appendix G.2 (description format), G.5.8 (i386 features).
 * @module
 */

/** Where a register's value is kept. */
export type RegisterPlace =
  /** `index` as instructions number it. */
  | { readonly kind: "gpr"; readonly index: number }
  | { readonly kind: "rip" | "rflags" | "mxcsr" }
  | { readonly kind: "selector" | "base"; readonly segment: "cs" | "ss" | "ds" | "es" | "fs" | "gs" }
  | { readonly kind: "st" | "xmm"; readonly index: number }
  | { readonly kind: "fpu"; readonly part: FpuPart }
  | { readonly kind: "control"; readonly name: "cr0" | "cr2" | "cr3" | "cr4" | "cr8" | "efer" };

/** What GDB calls fctrl, fstat, ftag, fiseg, fioff, foseg, fooff, fop. */
export type FpuPart = "fctrl" | "fstat" | "ftag" | "fiseg" | "fioff" | "foseg" | "fooff" | "fop";

/** One register. Its number is its place in {@linkcode REGISTERS}. */
export interface Register {
  readonly name: string;
  readonly bits: number;
  readonly type: string;
  readonly group?: string;
  readonly feature: Feature;
  readonly place: RegisterPlace;
}

type Feature = "core" | "sse" | "segments" | "system";

const GPR_ORDER: readonly (readonly [string, number])[] = [
  ["rax", 0],
  ["rbx", 3],
  ["rcx", 1],
  ["rdx", 2],
  ["rsi", 6],
  ["rdi", 7],
  ["rbp", 5],
  ["rsp", 4],
  ...[8, 9, 10, 11, 12, 13, 14, 15].map((n) => [`r${n}`, n] as const),
];
const SEGMENTS = ["cs", "ss", "ds", "es", "fs", "gs"] as const;
const FPU_PARTS = ["fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop"] as const;
const CONTROLS = ["cr0", "cr2", "cr3", "cr4", "cr8", "efer"] as const;
/** Those whose bits have names here. */
const FLAGGED: ReadonlySet<string> = new Set(["cr0", "cr4", "efer"]);

const gprType = (name: string) => name === "rbp" || name === "rsp" ? "data_ptr" : "int64";

/** All registers; a `g` packet has them one behind the other. */
export const REGISTERS: readonly Register[] = [
  ...GPR_ORDER.map(([name, index]): Register => (
    { name, bits: 64, type: gprType(name), feature: "core", place: { kind: "gpr", index } }
  )),
  { name: "rip", bits: 64, type: "code_ptr", feature: "core", place: { kind: "rip" } },
  { name: "eflags", bits: 32, type: "i386_eflags", feature: "core", place: { kind: "rflags" } },
  ...SEGMENTS.map((segment): Register => (
    { name: segment, bits: 32, type: "int32", feature: "core", place: { kind: "selector", segment } }
  )),
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((index): Register => (
    { name: `st${index}`, bits: 80, type: "i387_ext", feature: "core", place: { kind: "st", index } }
  )),
  ...FPU_PARTS.map((part): Register => (
    { name: part, bits: 32, type: "int", group: "float", feature: "core", place: { kind: "fpu", part } }
  )),
  ...Array.from({ length: 16 }, (_, index): Register => (
    { name: `xmm${index}`, bits: 128, type: "vec128", feature: "sse", place: { kind: "xmm", index } }
  )),
  {
    name: "mxcsr",
    bits: 32,
    type: "i386_mxcsr",
    group: "vector",
    feature: "sse",
    place: { kind: "mxcsr" },
  },
  ...(["fs", "gs"] as const).map((segment): Register => (
    { name: `${segment}_base`, bits: 64, type: "int", feature: "segments", place: { kind: "base", segment } }
  )),
  ...CONTROLS.map((name): Register => ({
    name,
    bits: 64,
    type: FLAGGED.has(name) ? `hvm_${name}` : "int64",
    group: "system",
    feature: "system",
    place: { kind: "control", name },
  })),
];

const FEATURE_NAME: Readonly<Record<Feature, string>> = {
  core: "org.gnu.gdb.i386.core",
  sse: "org.gnu.gdb.i386.sse",
  segments: "org.gnu.gdb.i386.segments",
  system: "hvm.system",
};

type Flags = readonly (readonly [string, number])[];

const EFLAGS: Flags = [
  ["CF", 0],
  ["", 1],
  ["PF", 2],
  ["AF", 4],
  ["ZF", 6],
  ["SF", 7],
  ["TF", 8],
  ["IF", 9],
  ["DF", 10],
  ["OF", 11],
  ["NT", 14],
  ["RF", 16],
  ["VM", 17],
  ["AC", 18],
  ["VIF", 19],
  ["VIP", 20],
  ["ID", 21],
];
const MXCSR: Flags = [
  ["IE", 0],
  ["DE", 1],
  ["ZE", 2],
  ["OE", 3],
  ["UE", 4],
  ["PE", 5],
  ["DAZ", 6],
  ["IM", 7],
  ["DM", 8],
  ["ZM", 9],
  ["OM", 10],
  ["UM", 11],
  ["PM", 12],
  ["FZ", 15],
];
const CR0: Flags = [
  ["PE", 0],
  ["MP", 1],
  ["EM", 2],
  ["TS", 3],
  ["ET", 4],
  ["NE", 5],
  ["WP", 16],
  ["AM", 18],
  ["NW", 29],
  ["CD", 30],
  ["PG", 31],
];
const CR4: Flags = [
  ["VME", 0],
  ["PVI", 1],
  ["TSD", 2],
  ["DE", 3],
  ["PSE", 4],
  ["PAE", 5],
  ["MCE", 6],
  ["PGE", 7],
  ["PCE", 8],
  ["OSFXSR", 9],
  ["OSXMMEXCPT", 10],
  ["UMIP", 11],
  ["LA57", 12],
  ["VMXE", 13],
  ["FSGSBASE", 16],
  ["PCIDE", 17],
  ["OSXSAVE", 18],
  ["SMEP", 20],
  ["SMAP", 21],
  ["PKE", 22],
];
const EFER: Flags = [["SCE", 0], ["LME", 8], ["LMA", 10], ["NXE", 11], ["SVME", 12]];

function flags(id: string, bytes: number, bits: Flags): string {
  const fields = bits.map(([name, bit]) => `<field name="${name}" start="${bit}" end="${bit}"/>`);
  return `<flags id="${id}" size="${bytes}">${fields.join("")}</flags>`;
}

function vector(id: string, type: string, count: number): string {
  return `<vector id="${id}" type="${type}" count="${count}"/>`;
}

/** The types a feature's registers are of, beside GDB's own. */
const TYPES: Readonly<Record<Feature, readonly string[]>> = {
  core: [flags("i386_eflags", 4, EFLAGS)],
  sse: [
    vector("v4f", "ieee_single", 4),
    vector("v2d", "ieee_double", 2),
    vector("v16i8", "int8", 16),
    vector("v8i16", "int16", 8),
    vector("v4i32", "int32", 4),
    vector("v2i64", "int64", 2),
    '<union id="vec128"><field name="v4_float" type="v4f"/>' +
    '<field name="v2_double" type="v2d"/><field name="v16_int8" type="v16i8"/>' +
    '<field name="v8_int16" type="v8i16"/><field name="v4_int32" type="v4i32"/>' +
    '<field name="v2_int64" type="v2i64"/><field name="uint128" type="uint128"/></union>',
    flags("i386_mxcsr", 4, MXCSR),
  ],
  segments: [],
  system: [flags("hvm_cr0", 8, CR0), flags("hvm_cr4", 8, CR4), flags("hvm_efer", 8, EFER)],
};

function registerText({ name, bits, type, group }: Register, number: number): string {
  const grouped = group === undefined ? "" : ` group="${group}"`;
  return `<reg name="${name}" bitsize="${bits}" type="${type}" regnum="${number}"${grouped}/>`;
}

/** The description. */
export function targetXml(): string {
  const features = (Object.keys(FEATURE_NAME) as Feature[]).map((feature) => {
    const registers = REGISTERS.flatMap((one, number) =>
      one.feature === feature ? [registerText(one, number)] : []
    );
    const lines = [...TYPES[feature], ...registers];
    return `<feature name="${FEATURE_NAME[feature]}">\n${lines.join("\n")}\n</feature>`;
  });
  return `<?xml version="1.0"?>
<!DOCTYPE target SYSTEM "gdb-target.dtd">
<target version="1.0">
<architecture>i386:x86-64</architecture>
${features.join("\n")}
</target>
`;
}
