/**
 * WebAssembly's instructions as rows: name, opcode, operand types, result type.
 *
 * The emitter encodes from these rows and prints from them, so a name and a byte cannot disagree.
 *
 * Sources: [WASM] WebAssembly Core Specification 3.0, 5.4 (binary format of instructions); [THREADS] the threads
 * proposal, "Binary format" (atomic instructions, prefix FEh).
 * @module
 */

/** Value types the emitter knows. */
export type ValueType = "i32" | "i64" | "f32" | "f64" | "v128";

/** One pure instruction: operands in, one value out. */
export interface Operation {
  readonly name: string;
  /** 0 for the one-byte space, else the prefix byte. */
  readonly prefix: number;
  readonly code: number;
  readonly operands: readonly ValueType[];
  readonly result: ValueType;
  /** An immediate lane index follows. */
  readonly lanes: number;
}

/** One access to memory. */
export interface MemoryOperation {
  readonly name: string;
  readonly prefix: number;
  readonly code: number;
  /** log2 of the bytes touched. */
  readonly align: number;
  /** What is taken besides the address. */
  readonly operands: readonly ValueType[];
  readonly result: ValueType | undefined;
  readonly lanes: number;
}

const operations = new Map<string, Operation>();
const memoryOperations = new Map<string, MemoryOperation>();

function rows(
  first: number,
  prefix: number,
  operands: ValueType[],
  result: ValueType,
  type: string,
  names: string,
  lanes = 0,
) {
  names.split(" ").forEach((name, i) => {
    if (name !== "-") {
      operations.set(`${type}.${name}`, {
        name: `${type}.${name}`,
        prefix,
        code: first + i,
        operands,
        result,
        lanes,
      });
    }
  });
}

const COMPARE_INT = "eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u";
const COMPARE_FLOAT = "eq ne lt gt le ge";
const INT_BINARY = "add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr";
const FLOAT_UNARY = "abs neg ceil floor trunc nearest sqrt";
const FLOAT_BINARY = "add sub mul div min max copysign";

// [WASM] 5.4.8, numeric instructions
rows(0x45, 0, ["i32"], "i32", "i32", "eqz");
rows(0x46, 0, ["i32", "i32"], "i32", "i32", COMPARE_INT);
rows(0x50, 0, ["i64"], "i32", "i64", "eqz");
rows(0x51, 0, ["i64", "i64"], "i32", "i64", COMPARE_INT);
rows(0x5b, 0, ["f32", "f32"], "i32", "f32", COMPARE_FLOAT);
rows(0x61, 0, ["f64", "f64"], "i32", "f64", COMPARE_FLOAT);
rows(0x67, 0, ["i32"], "i32", "i32", "clz ctz popcnt");
rows(0x6a, 0, ["i32", "i32"], "i32", "i32", INT_BINARY);
rows(0x79, 0, ["i64"], "i64", "i64", "clz ctz popcnt");
rows(0x7c, 0, ["i64", "i64"], "i64", "i64", INT_BINARY);
rows(0x8b, 0, ["f32"], "f32", "f32", FLOAT_UNARY);
rows(0x92, 0, ["f32", "f32"], "f32", "f32", FLOAT_BINARY);
rows(0x99, 0, ["f64"], "f64", "f64", FLOAT_UNARY);
rows(0xa0, 0, ["f64", "f64"], "f64", "f64", FLOAT_BINARY);
rows(0xa7, 0, ["i64"], "i32", "i32", "wrap_i64");
rows(0xa8, 0, ["f32"], "i32", "i32", "trunc_f32_s trunc_f32_u");
rows(0xaa, 0, ["f64"], "i32", "i32", "trunc_f64_s trunc_f64_u");
rows(0xac, 0, ["i32"], "i64", "i64", "extend_i32_s extend_i32_u");
rows(0xae, 0, ["f32"], "i64", "i64", "trunc_f32_s trunc_f32_u");
rows(0xb0, 0, ["f64"], "i64", "i64", "trunc_f64_s trunc_f64_u");
rows(0xb2, 0, ["i32"], "f32", "f32", "convert_i32_s convert_i32_u");
rows(0xb4, 0, ["i64"], "f32", "f32", "convert_i64_s convert_i64_u");
rows(0xb6, 0, ["f64"], "f32", "f32", "demote_f64");
rows(0xb7, 0, ["i32"], "f64", "f64", "convert_i32_s convert_i32_u");
rows(0xb9, 0, ["i64"], "f64", "f64", "convert_i64_s convert_i64_u");
rows(0xbb, 0, ["f32"], "f64", "f64", "promote_f32");
rows(0xbc, 0, ["f32"], "i32", "i32", "reinterpret_f32");
rows(0xbd, 0, ["f64"], "i64", "i64", "reinterpret_f64");
rows(0xbe, 0, ["i32"], "f32", "f32", "reinterpret_i32");
rows(0xbf, 0, ["i64"], "f64", "f64", "reinterpret_i64");
rows(0xc0, 0, ["i32"], "i32", "i32", "extend8_s extend16_s");
rows(0xc2, 0, ["i64"], "i64", "i64", "extend8_s extend16_s extend32_s");
rows(0, 0xfc, ["f32"], "i32", "i32", "trunc_sat_f32_s trunc_sat_f32_u");
rows(2, 0xfc, ["f64"], "i32", "i32", "trunc_sat_f64_s trunc_sat_f64_u");
rows(4, 0xfc, ["f32"], "i64", "i64", "trunc_sat_f32_s trunc_sat_f32_u");
rows(6, 0xfc, ["f64"], "i64", "i64", "trunc_sat_f64_s trunc_sat_f64_u");

// [WASM] 5.4.9, vector instructions
const V = "v128";
const SHIFTS = "shl shr_s shr_u";
rows(14, 0xfd, [V, V], V, "i8x16", "swizzle");
rows(15, 0xfd, ["i32"], V, "i8x16", "splat");
rows(16, 0xfd, ["i32"], V, "i16x8", "splat");
rows(17, 0xfd, ["i32"], V, "i32x4", "splat");
rows(18, 0xfd, ["i64"], V, "i64x2", "splat");
rows(19, 0xfd, ["f32"], V, "f32x4", "splat");
rows(20, 0xfd, ["f64"], V, "f64x2", "splat");
rows(21, 0xfd, [V], "i32", "i8x16", "extract_lane_s extract_lane_u", 16);
rows(23, 0xfd, [V, "i32"], V, "i8x16", "replace_lane", 16);
rows(24, 0xfd, [V], "i32", "i16x8", "extract_lane_s extract_lane_u", 8);
rows(26, 0xfd, [V, "i32"], V, "i16x8", "replace_lane", 8);
rows(27, 0xfd, [V], "i32", "i32x4", "extract_lane", 4);
rows(28, 0xfd, [V, "i32"], V, "i32x4", "replace_lane", 4);
rows(29, 0xfd, [V], "i64", "i64x2", "extract_lane", 2);
rows(30, 0xfd, [V, "i64"], V, "i64x2", "replace_lane", 2);
rows(31, 0xfd, [V], "f32", "f32x4", "extract_lane", 4);
rows(32, 0xfd, [V, "f32"], V, "f32x4", "replace_lane", 4);
rows(33, 0xfd, [V], "f64", "f64x2", "extract_lane", 2);
rows(34, 0xfd, [V, "f64"], V, "f64x2", "replace_lane", 2);
rows(35, 0xfd, [V, V], V, "i8x16", COMPARE_INT);
rows(45, 0xfd, [V, V], V, "i16x8", COMPARE_INT);
rows(55, 0xfd, [V, V], V, "i32x4", COMPARE_INT);
rows(65, 0xfd, [V, V], V, "f32x4", COMPARE_FLOAT);
rows(71, 0xfd, [V, V], V, "f64x2", COMPARE_FLOAT);
rows(77, 0xfd, [V], V, "v128", "not");
rows(78, 0xfd, [V, V], V, "v128", "and andnot or xor");
rows(82, 0xfd, [V, V, V], V, "v128", "bitselect");
rows(83, 0xfd, [V], "i32", "v128", "any_true");
rows(94, 0xfd, [V], V, "f32x4", "demote_f64x2_zero");
rows(95, 0xfd, [V], V, "f64x2", "promote_low_f32x4");
rows(96, 0xfd, [V], V, "i8x16", "abs neg popcnt");
rows(99, 0xfd, [V], "i32", "i8x16", "all_true bitmask");
rows(101, 0xfd, [V, V], V, "i8x16", "narrow_i16x8_s narrow_i16x8_u");
rows(103, 0xfd, [V], V, "f32x4", "ceil floor trunc nearest");
rows(107, 0xfd, [V, "i32"], V, "i8x16", SHIFTS);
rows(110, 0xfd, [V, V], V, "i8x16", "add add_sat_s add_sat_u sub sub_sat_s sub_sat_u");
rows(116, 0xfd, [V], V, "f64x2", "ceil floor");
rows(118, 0xfd, [V, V], V, "i8x16", "min_s min_u max_s max_u");
rows(122, 0xfd, [V], V, "f64x2", "trunc");
rows(123, 0xfd, [V, V], V, "i8x16", "avgr_u");
rows(124, 0xfd, [V], V, "i16x8", "extadd_pairwise_i8x16_s extadd_pairwise_i8x16_u");
rows(126, 0xfd, [V], V, "i32x4", "extadd_pairwise_i16x8_s extadd_pairwise_i16x8_u");
rows(128, 0xfd, [V], V, "i16x8", "abs neg");
rows(130, 0xfd, [V, V], V, "i16x8", "q15mulr_sat_s");
rows(131, 0xfd, [V], "i32", "i16x8", "all_true bitmask");
rows(133, 0xfd, [V, V], V, "i16x8", "narrow_i32x4_s narrow_i32x4_u");
rows(
  135,
  0xfd,
  [V],
  V,
  "i16x8",
  "extend_low_i8x16_s extend_high_i8x16_s extend_low_i8x16_u extend_high_i8x16_u",
);
rows(139, 0xfd, [V, "i32"], V, "i16x8", SHIFTS);
rows(142, 0xfd, [V, V], V, "i16x8", "add add_sat_s add_sat_u sub sub_sat_s sub_sat_u");
rows(148, 0xfd, [V], V, "f64x2", "nearest");
rows(149, 0xfd, [V, V], V, "i16x8", "mul min_s min_u max_s max_u - avgr_u");
rows(
  156,
  0xfd,
  [V, V],
  V,
  "i16x8",
  "extmul_low_i8x16_s extmul_high_i8x16_s extmul_low_i8x16_u extmul_high_i8x16_u",
);
rows(160, 0xfd, [V], V, "i32x4", "abs neg");
rows(163, 0xfd, [V], "i32", "i32x4", "all_true bitmask");
rows(
  167,
  0xfd,
  [V],
  V,
  "i32x4",
  "extend_low_i16x8_s extend_high_i16x8_s extend_low_i16x8_u extend_high_i16x8_u",
);
rows(171, 0xfd, [V, "i32"], V, "i32x4", SHIFTS);
rows(174, 0xfd, [V, V], V, "i32x4", "add - - sub - - - mul min_s min_u max_s max_u dot_i16x8_s");
rows(
  188,
  0xfd,
  [V, V],
  V,
  "i32x4",
  "extmul_low_i16x8_s extmul_high_i16x8_s extmul_low_i16x8_u extmul_high_i16x8_u",
);
rows(192, 0xfd, [V], V, "i64x2", "abs neg");
rows(195, 0xfd, [V], "i32", "i64x2", "all_true bitmask");
rows(
  199,
  0xfd,
  [V],
  V,
  "i64x2",
  "extend_low_i32x4_s extend_high_i32x4_s extend_low_i32x4_u extend_high_i32x4_u",
);
rows(203, 0xfd, [V, "i32"], V, "i64x2", SHIFTS);
rows(206, 0xfd, [V, V], V, "i64x2", "add - - sub - - - mul eq ne lt_s gt_s le_s ge_s");
rows(
  220,
  0xfd,
  [V, V],
  V,
  "i64x2",
  "extmul_low_i32x4_s extmul_high_i32x4_s extmul_low_i32x4_u extmul_high_i32x4_u",
);
rows(224, 0xfd, [V], V, "f32x4", "abs neg - sqrt");
rows(228, 0xfd, [V, V], V, "f32x4", "add sub mul div min max pmin pmax");
rows(236, 0xfd, [V], V, "f64x2", "abs neg - sqrt");
rows(240, 0xfd, [V, V], V, "f64x2", "add sub mul div min max pmin pmax");
rows(248, 0xfd, [V], V, "i32x4", "trunc_sat_f32x4_s trunc_sat_f32x4_u");
rows(250, 0xfd, [V], V, "f32x4", "convert_i32x4_s convert_i32x4_u");
rows(252, 0xfd, [V], V, "i32x4", "trunc_sat_f64x2_s_zero trunc_sat_f64x2_u_zero");
rows(254, 0xfd, [V], V, "f64x2", "convert_low_i32x4_s convert_low_i32x4_u");

function access(
  name: string,
  prefix: number,
  code: number,
  bytes: number,
  operands: ValueType[],
  result: ValueType | undefined,
  lanes = 0,
) {
  memoryOperations.set(name, { name, prefix, code, align: Math.log2(bytes), operands, result, lanes });
}

// [WASM] 5.4.7, memory instructions
access("i32.load", 0, 0x28, 4, [], "i32");
access("i64.load", 0, 0x29, 8, [], "i64");
access("f32.load", 0, 0x2a, 4, [], "f32");
access("f64.load", 0, 0x2b, 8, [], "f64");
access("i32.load8_s", 0, 0x2c, 1, [], "i32");
access("i32.load8_u", 0, 0x2d, 1, [], "i32");
access("i32.load16_s", 0, 0x2e, 2, [], "i32");
access("i32.load16_u", 0, 0x2f, 2, [], "i32");
access("i64.load8_s", 0, 0x30, 1, [], "i64");
access("i64.load8_u", 0, 0x31, 1, [], "i64");
access("i64.load16_s", 0, 0x32, 2, [], "i64");
access("i64.load16_u", 0, 0x33, 2, [], "i64");
access("i64.load32_s", 0, 0x34, 4, [], "i64");
access("i64.load32_u", 0, 0x35, 4, [], "i64");
access("i32.store", 0, 0x36, 4, ["i32"], undefined);
access("i64.store", 0, 0x37, 8, ["i64"], undefined);
access("f32.store", 0, 0x38, 4, ["f32"], undefined);
access("f64.store", 0, 0x39, 8, ["f64"], undefined);
access("i32.store8", 0, 0x3a, 1, ["i32"], undefined);
access("i32.store16", 0, 0x3b, 2, ["i32"], undefined);
access("i64.store8", 0, 0x3c, 1, ["i64"], undefined);
access("i64.store16", 0, 0x3d, 2, ["i64"], undefined);
access("i64.store32", 0, 0x3e, 4, ["i64"], undefined);
access("v128.load", 0xfd, 0, 16, [], "v128");
access("v128.store", 0xfd, 11, 16, ["v128"], undefined);
access("v128.load32_zero", 0xfd, 92, 4, [], "v128");
access("v128.load64_zero", 0xfd, 93, 8, [], "v128");
for (const [i, bytes] of [1, 2, 4, 8].entries()) {
  access(`v128.load${bytes * 8}_lane`, 0xfd, 84 + i, bytes, ["v128"], "v128", 16 / bytes);
  access(`v128.store${bytes * 8}_lane`, 0xfd, 88 + i, bytes, ["v128"], undefined, 16 / bytes);
}

// [THREADS] atomic accesses; each traps when it is not aligned
const ATOMIC_FORMS: readonly [string, string, ValueType, number][] = [
  ["i32", "", "i32", 4],
  ["i64", "", "i64", 8],
  ["i32", "8", "i32", 1],
  ["i32", "16", "i32", 2],
  ["i64", "8", "i64", 1],
  ["i64", "16", "i64", 2],
  ["i64", "32", "i64", 4],
];
for (const [i, [type, size, value, bytes]] of ATOMIC_FORMS.entries()) {
  const unsigned = size === "" ? "" : "_u";
  access(`${type}.atomic.load${size}${unsigned}`, 0xfe, 0x10 + i, bytes, [], value);
  access(`${type}.atomic.store${size}`, 0xfe, 0x17 + i, bytes, [value], undefined);
  for (const [j, name] of ["add", "sub", "and", "or", "xor", "xchg"].entries()) {
    access(`${type}.atomic.rmw${size}.${name}${unsigned}`, 0xfe, 0x1e + j * 7 + i, bytes, [value], value);
  }
  access(`${type}.atomic.rmw${size}.cmpxchg${unsigned}`, 0xfe, 0x48 + i, bytes, [value, value], value);
}
access("memory.atomic.notify", 0xfe, 0x00, 4, ["i32"], "i32");
access("memory.atomic.wait32", 0xfe, 0x01, 4, ["i32", "i64"], "i32");

/** The row of a pure instruction. Throws a RangeError for a name that is none. */
export function operation(name: string): Operation {
  const row = operations.get(name);
  if (row === undefined) throw new RangeError(`There is no WebAssembly instruction ${name}`);
  return row;
}

/** The row of a memory access. Throws a RangeError for a name that is none. */
export function memoryOperation(name: string): MemoryOperation {
  const row = memoryOperations.get(name);
  if (row === undefined) throw new RangeError(`There is no WebAssembly memory access ${name}`);
  return row;
}

/** All rows, for tests. */
export function allOperations(): { pure: Operation[]; memory: MemoryOperation[] } {
  return { pure: [...operations.values()], memory: [...memoryOperations.values()] };
}
