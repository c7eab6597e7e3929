import assert from "node:assert/strict";
import { WasmModule } from "../emit.ts";
import { i32, i64 } from "../emit_value.ts";
import { addFloat80 } from "./float80.ts";
import { BIAS, EXPONENT, FSW, INDEFINITE, PC, RC, SIGN, WRAP } from "./float80_core.ts";
import { type Argument, type Extended, Float80Rig } from "./float80_rig.ts";

const rig = new Float80Rig();
const J = 1n << 63n;
const MASKED = 0x3f;
const DEFAULT = MASKED | PC.BITS64;

const make = (sig: bigint, exponent: number, sign = 0): Extended => ({ sig, se: sign | exponent });
const ZERO = make(0n, 0);
const ONE = make(J, BIAS);
const TWO = make(J, BIAS + 1);
const INFINITY = make(J, EXPONENT);
const SMALLEST = make(J, 1);
const LARGEST = make(2n * J - 1n, EXPONENT - 1);
const DENORMAL = make(1n, 0);
const PSEUDO_DENORMAL = make(J, 0);
const QUIET = make(J | J >> 1n | 5n, EXPONENT);
const SIGNALLING = make(J | 5n, EXPONENT);
const negative = (x: Extended): Extended => ({ ...x, se: x.se ^ SIGN });
const quiet = (x: Extended): Extended => ({ ...x, sig: x.sig | J >> 1n });
/** Encodings that no processor since the 387 takes. [SDM] vol. 1, table 8-3 */
const UNSUPPORTED = [
  make(5n, 1),
  make(J - 1n, BIAS),
  make(0n, EXPONENT),
  make(5n, EXPONENT),
  make(J >> 1n, EXPONENT),
];

function gives(name: string, args: Argument[], value: Extended, status: number): void {
  const text = args.map((x) => typeof x === "object" ? `${x.se.toString(16)}:${x.sig.toString(16)}` : x).join(
    " ",
  );
  assert.deepEqual([rig.call(name, ...args), rig.status], [value, status], `${name} ${text}`);
}

/** A status with some exceptions, for tables. */
const { IE, DE, ZE, OE, UE, PE, C0, C1, C2, C3 } = FSW;

Deno.test("operations without a result are invalid and give the indefinite", () => {
  // [SDM] vol. 1, table 8-10
  const cases: [string, Extended[]][] = [
    ["add", [INFINITY, negative(INFINITY)]],
    ["sub", [INFINITY, INFINITY]],
    ["mul", [INFINITY, ZERO]],
    ["mul", [negative(ZERO), INFINITY]],
    ["div", [ZERO, negative(ZERO)]],
    ["div", [INFINITY, INFINITY]],
    ["prem", [INFINITY, ONE]],
    ["prem", [ONE, ZERO]],
    ["prem1", [INFINITY, ONE]],
    ["prem1", [ONE, ZERO]],
    ["sqrt", [negative(ONE)]],
    ["sqrt", [negative(INFINITY)]],
    ["sqrt", [negative(DENORMAL)]],
    ["scale", [INFINITY, negative(INFINITY)]],
    ["scale", [ZERO, INFINITY]],
    ["yl2x", [negative(ONE), ONE]],
    ["yl2x", [ZERO, ZERO]],
    ["yl2x", [ONE, INFINITY]],
    ["yl2x", [INFINITY, ZERO]],
    ["yl2xp1", [negative(INFINITY), ONE]],
    ["yl2xp1", [ZERO, INFINITY]],
    ["sin", [INFINITY]],
    ["cos", [INFINITY]],
    ["sincos", [INFINITY]],
    ["ptan", [negative(INFINITY)]],
  ];
  for (const [name, operands] of cases) gives(name, [...operands, DEFAULT], INDEFINITE, IE);
});

const TWO_OPERANDS = ["add", "sub", "mul", "div", "prem", "prem1", "scale", "yl2x", "yl2xp1", "patan"];
const ONE_OPERAND = ["sqrt", "rndint", "f2xm1", "sin", "cos", "sincos", "ptan"];

Deno.test("unsupported encodings are invalid everywhere", () => {
  for (const odd of UNSUPPORTED) {
    for (const name of TWO_OPERANDS) {
      for (const other of [ONE, ZERO, INFINITY, QUIET, DENORMAL]) {
        gives(name, [odd, other, DEFAULT], INDEFINITE, IE);
        gives(name, [other, odd, DEFAULT], INDEFINITE, IE);
      }
    }
    for (const name of ONE_OPERAND) gives(name, [odd, DEFAULT], INDEFINITE, IE);
    gives("xtract", [odd], INDEFINITE, IE);
    gives(
      "to_int",
      [odd, DEFAULT, 32],
      make(2n ** 64n - 2n ** 31n, rig.call("to_int", odd, DEFAULT, 32).se),
      IE,
    );
  }
});

Deno.test("a NaN operand is the result, made quiet", () => {
  // [SDM] vol. 1, table 4-7
  const [low, high] = [make(QUIET.sig, EXPONENT), make(QUIET.sig + 1n, EXPONENT, SIGN)];
  const [lowSignals, highSignals] = [SIGNALLING, make(SIGNALLING.sig + 1n, EXPONENT, SIGN)];
  for (const name of TWO_OPERANDS) {
    for (const other of [ONE, ZERO, INFINITY, DENORMAL, negative(ONE)]) {
      gives(name, [QUIET, other, DEFAULT], QUIET, 0);
      gives(name, [other, QUIET, DEFAULT], QUIET, 0);
      gives(name, [SIGNALLING, other, DEFAULT], quiet(SIGNALLING), IE);
      gives(name, [other, SIGNALLING, DEFAULT], quiet(SIGNALLING), IE);
    }
    for (const swap of [false, true]) {
      const both = (a: Extended, b: Extended) => [...(swap ? [b, a] : [a, b]), DEFAULT];
      gives(name, both(low, high), high, 0);
      gives(name, both(lowSignals, highSignals), quiet(highSignals), IE);
      // The quiet one, larger or not.
      gives(name, both(SIGNALLING, low), low, IE);
      gives(name, both(make(2n * J - 1n - (J >> 1n), EXPONENT), low), low, IE);
      // Of equal significands the positive one.
      gives(name, both(low, negative(low)), low, 0);
    }
  }
  for (const name of ONE_OPERAND) {
    gives(name, [negative(QUIET), DEFAULT], negative(QUIET), 0);
    gives(name, [SIGNALLING, DEFAULT], quiet(SIGNALLING), IE);
  }
});

Deno.test("a finite number over zero is infinite; the logarithm of zero, too", () => {
  gives("div", [ONE, ZERO, DEFAULT], INFINITY, ZE);
  gives("div", [negative(ONE), ZERO, DEFAULT], negative(INFINITY), ZE);
  gives("div", [DENORMAL, negative(ZERO), DEFAULT], negative(INFINITY), ZE);
  gives("div", [INFINITY, ZERO, DEFAULT], INFINITY, 0);
  gives("yl2x", [ZERO, ONE, DEFAULT], negative(INFINITY), ZE);
  gives("yl2x", [ZERO, negative(ONE), DEFAULT], INFINITY, ZE);
  gives("yl2x", [ZERO, INFINITY, DEFAULT], negative(INFINITY), 0);
  gives("xtract", [ZERO], ZERO, ZE);
  assert.deepEqual(rig.second, negative(INFINITY));
});

Deno.test("a zero from unlike numbers is negative when rounding down only", () => {
  for (const [mode, sign] of [[RC.NEAREST, 0], [RC.DOWN, SIGN], [RC.UP, 0], [RC.ZERO, 0]] as const) {
    gives("add", [ONE, negative(ONE), DEFAULT | mode], make(0n, 0, sign), 0);
    gives("sub", [ONE, ONE, DEFAULT | mode], make(0n, 0, sign), 0);
    gives("add", [ZERO, negative(ZERO), DEFAULT | mode], make(0n, 0, sign), 0);
    gives("add", [negative(ZERO), negative(ZERO), DEFAULT | mode], negative(ZERO), 0);
    gives("add", [ZERO, ZERO, DEFAULT | mode], ZERO, 0);
  }
});

Deno.test("bits far below the last place decide ties", () => {
  const below = make(2n * J - 1n, BIAS - 1);
  gives("sub", [ONE, make(J, BIAS - 65), DEFAULT], ONE, PE | C1);
  gives("sub", [ONE, make(J | 1n, BIAS - 65), DEFAULT], below, PE);
  gives("add", [ONE, make(J, BIAS - 64), DEFAULT], ONE, PE);
  gives("add", [ONE, make(J | 1n, BIAS - 64), DEFAULT], make(J | 1n, BIAS), PE | C1);
  for (const distance of [65, 66, 127, 128, 129, 1000, BIAS - 1]) {
    gives("sub", [ONE, make(J | 1n, BIAS - distance), DEFAULT | RC.ZERO], below, PE);
    gives("add", [ONE, make(J | 1n, BIAS - distance), DEFAULT | RC.UP], make(J | 1n, BIAS), PE | C1);
  }
});

Deno.test("denormals and pseudo-denormals raise DE and count", () => {
  gives("add", [DENORMAL, DENORMAL, DEFAULT], make(2n, 0), DE);
  gives("add", [PSEUDO_DENORMAL, PSEUDO_DENORMAL, DEFAULT], make(J, 2), DE);
  gives("sub", [SMALLEST, DENORMAL, DEFAULT], make(J - 1n, 0), DE);
  gives("mul", [DENORMAL, ZERO, DEFAULT], ZERO, DE);
  gives("add", [INFINITY, DENORMAL, DEFAULT], INFINITY, DE);
  gives("rndint", [DENORMAL, DEFAULT], ZERO, DE | PE);
  gives("sin", [DENORMAL, DEFAULT], DENORMAL, DE | UE | PE | C1);
  gives("cos", [DENORMAL, DEFAULT], ONE, DE | PE | C1);
});

Deno.test("masked overflow gives infinity or the largest number of the precision", () => {
  const cases = [
    [RC.NEAREST, INFINITY, C1, negative(INFINITY), C1],
    [RC.UP, INFINITY, C1, negative(LARGEST), 0],
    [RC.DOWN, LARGEST, 0, negative(INFINITY), C1],
    [RC.ZERO, LARGEST, 0, negative(LARGEST), 0],
  ] as const;
  for (const [mode, above, aboveC1, below, belowC1] of cases) {
    gives("mul", [LARGEST, TWO, DEFAULT | mode], above, OE | PE | aboveC1);
    gives("mul", [negative(LARGEST), TWO, DEFAULT | mode], below, OE | PE | belowC1);
  }
  // The largest number and half of its last place.
  gives("add", [LARGEST, make(J, EXPONENT - 65), DEFAULT], INFINITY, OE | PE | C1);
  gives("add", [LARGEST, make(J - 1n << 1n, EXPONENT - 66), DEFAULT], LARGEST, PE);
  const largest24 = make(0xffffff00_00000000n, EXPONENT - 1);
  gives("mul", [LARGEST, TWO, MASKED | PC.BITS24 | RC.ZERO], largest24, OE | PE);
});

Deno.test("masked underflow is told for tiny inexact results only", () => {
  const half = make(J, BIAS - 1);
  gives("mul", [SMALLEST, half, DEFAULT], make(J >> 1n, 0), 0);
  gives("mul", [make(J | 1n, 1), half, DEFAULT], make(J >> 1n, 0), UE | PE);
  gives("mul", [make(J | 3n, 1), half, DEFAULT], make((J >> 1n) + 2n, 0), UE | PE | C1);
  // What rounds to the smallest normal number is not tiny. [SDM] vol. 1, 4.9.1.5
  const below = make(2n * J - 1n, BIAS - 1);
  gives("mul", [SMALLEST, below, DEFAULT], make(J, 1), UE | PE | C1);
  gives("mul", [make(J | 1n, 1), make(2n * J - 2n, BIAS - 1), DEFAULT], make(J, 1), PE | C1);
});

Deno.test("stores to single and double: underflow after rounding, overflow by mode", () => {
  const bits = (
    name: string,
    value: Extended,
    mode: number,
  ) => [rig.call(name, value, DEFAULT | mode).sig, rig.status];
  const justBelow = make(2n * J - 1n, BIAS - 127);
  assert.deepEqual(bits("to_f32", justBelow, RC.NEAREST), [0x00800000n, PE | C1]);
  assert.deepEqual(bits("to_f32", justBelow, RC.DOWN), [0x007fffffn, UE | PE]);
  assert.deepEqual(bits("to_f32", make(J, BIAS - 127), RC.NEAREST), [0x00400000n, 0]);
  assert.deepEqual(bits("to_f32", make(J, BIAS - 150), RC.NEAREST), [0n, UE | PE]);
  assert.deepEqual(bits("to_f32", make(J, BIAS - 150, SIGN), RC.DOWN), [0x80000001n, UE | PE | C1]);
  assert.deepEqual(bits("to_f32", make(J, BIAS + 128), RC.NEAREST), [0x7f800000n, OE | PE | C1]);
  assert.deepEqual(bits("to_f32", make(J, BIAS + 128), RC.ZERO), [0x7f7fffffn, OE | PE]);
  assert.deepEqual(bits("to_f64", make(2n * J - 1n, BIAS - 1023), RC.NEAREST), [1n << 52n, PE | C1]);
  assert.deepEqual(bits("to_f64", make(J, BIAS + 1024), RC.DOWN), [(0x7ffn << 52n) - 1n, OE | PE]);
  assert.deepEqual(bits("to_f64", SIGNALLING, RC.NEAREST), [0x7ff8n << 48n, IE]);
  assert.deepEqual(bits("to_f32", UNSUPPORTED[0]!, RC.NEAREST), [0xffc00000n, IE]);
});

Deno.test("a denormal operand in memory gives way to a NaN and to a division by zero", () => {
  const after = (name: string, first: Extended) => {
    rig.clear();
    const denormal = rig.more("widen_f32", 1n);
    assert.equal(rig.status, DE);
    const args = name === "div" ? [denormal, first] : [first, denormal];
    return [rig.more(name, ...args, DEFAULT), rig.status];
  };
  assert.deepEqual(after("add", QUIET), [QUIET, 0]);
  assert.deepEqual(after("add", SIGNALLING), [quiet(SIGNALLING), IE]);
  assert.deepEqual(after("div", ZERO), [INFINITY, ZE]);
  assert.deepEqual(after("add", INFINITY), [INFINITY, DE]);
});

Deno.test("unmasked overflow and underflow wrap the exponent", () => {
  // [SDM] vol. 1, 8.5.4 and 8.5.5
  gives(
    "mul",
    [LARGEST, LARGEST, DEFAULT & ~OE],
    make(2n * J - 2n, 2 * (EXPONENT - 1) - BIAS + 1 - WRAP),
    OE | PE,
  );
  gives("mul", [SMALLEST, SMALLEST, DEFAULT & ~UE], make(J, 2 - BIAS + WRAP), UE);
  gives("div", [SMALLEST, TWO, DEFAULT & ~UE], make(J, WRAP), UE);
  // The flags alone would be unmasked in the other direction.
  gives("mul", [LARGEST, LARGEST, DEFAULT & ~UE], INFINITY, OE | PE | C1);
});

Deno.test("an exception found beforehand, unmasked, stops the instruction and hides what computing raised", () => {
  rig.call("add", make(J | 1n, BIAS), DENORMAL, DEFAULT & ~DE);
  assert.equal(rig.word("settle", DEFAULT & ~DE), 1);
  assert.equal(rig.status, DE);
  rig.call("add", make(J | 1n, BIAS), DENORMAL, DEFAULT);
  assert.equal(rig.word("settle", DEFAULT), 0);
  assert.equal(rig.status, DE | PE);
  // An unmasked inexact result is written.
  rig.call("div", ONE, make(0xc000n << 48n, BIAS + 1), DEFAULT & ~PE);
  assert.equal(rig.word("settle", DEFAULT & ~PE), 0);
  assert.equal(rig.status, PE | C1);
  // To memory nothing goes on an unmasked overflow, and nothing is told of the rounding. [SDM] vol. 1, 8.5.4
  for (const exception of [OE, UE]) {
    rig.call("to_f32", exception === OE ? LARGEST : SMALLEST, DEFAULT & ~exception);
    assert.equal(rig.word("settle_store", DEFAULT & ~exception), 1);
    assert.equal(rig.status, exception);
  }
  rig.call("load_f32", 1n);
  assert.deepEqual([rig.word("settle_load", DEFAULT & ~DE), rig.status], [0, DE]);
  rig.call("load_f32", 0x7f800001n);
  assert.deepEqual([rig.word("settle_load", DEFAULT & ~IE), rig.status], [1, IE]);
});

Deno.test("comparison and examination give the condition bits of the manual", () => {
  const compare = (a: Extended, b: Extended, silent: number) => {
    rig.clear();
    return [rig.word("compare", a, b, silent), rig.status];
  };
  const unordered = C3 | C2 | C0;
  assert.deepEqual(compare(TWO, ONE, 0), [0, 0]);
  assert.deepEqual(compare(ONE, TWO, 0), [C0, 0]);
  assert.deepEqual(compare(negative(TWO), ONE, 0), [C0, 0]);
  assert.deepEqual(compare(negative(ONE), negative(TWO), 0), [0, 0]);
  assert.deepEqual(compare(ZERO, negative(ZERO), 0), [C3, 0]);
  assert.deepEqual(compare(INFINITY, INFINITY, 0), [C3, 0]);
  assert.deepEqual(compare(negative(INFINITY), negative(LARGEST), 0), [C0, 0]);
  assert.deepEqual(compare(ZERO, DENORMAL, 0), [C0, DE]);
  assert.deepEqual(compare(PSEUDO_DENORMAL, SMALLEST, 0), [C3, DE]);
  assert.deepEqual(compare(ONE, QUIET, 0), [unordered, IE]);
  assert.deepEqual(compare(ONE, QUIET, 1), [unordered, 0]);
  assert.deepEqual(compare(SIGNALLING, ONE, 1), [unordered, IE]);
  assert.deepEqual(compare(UNSUPPORTED[0]!, ONE, 1), [unordered, IE]);
  // [SDM] vol. 2A, FXAM
  const classes: [Extended, number][] = [
    [UNSUPPORTED[0]!, 0],
    [QUIET, C0],
    [SIGNALLING, C0],
    [ONE, C2],
    [INFINITY, C2 | C0],
    [ZERO, C3],
    [DENORMAL, C3 | C2],
    [PSEUDO_DENORMAL, C3 | C2],
  ];
  for (const [value, condition] of classes) {
    assert.equal(rig.word("examine", value), condition);
    assert.equal(rig.word("examine", negative(value)), condition | C1);
  }
});

Deno.test("constants follow the rounding control, not the precision", () => {
  // [SDM] vol. 2A, FLD1: pi is C90FDAA2 2168C234 and a good half, log2 10 is D49A784B CD1B8AFE and less.
  for (const precision of [PC.BITS24, PC.BITS53, PC.BITS64]) {
    for (
      const [mode, pi, tens] of [[RC.NEAREST, 1n, 0n], [RC.UP, 1n, 1n], [RC.DOWN, 0n, 0n], [
        RC.ZERO,
        0n,
        0n,
      ]] as const
    ) {
      const word = MASKED | precision | mode;
      gives("constant", [3, word], make(0xc90fdaa2_2168c234n + pi, BIAS + 1), 0);
      gives("constant", [1, word], make(0xd49a784b_cd1b8afen + tens, BIAS + 1), 0);
      gives("constant", [0, word], ONE, 0);
      gives("constant", [6, word], ZERO, 0);
    }
  }
});

Deno.test("FSCALE beyond every exponent; FPREM leaves C2 until it is done; arguments of 2^63 are out of range", () => {
  const far = make(0xffffn << 48n, BIAS + 15);
  gives("scale", [ONE, far, DEFAULT], INFINITY, OE | PE | C1);
  gives("scale", [ONE, negative(far), DEFAULT], ZERO, UE | PE);
  gives("scale", [ONE, negative(far), DEFAULT | RC.UP], DENORMAL, UE | PE | C1);
  gives("scale", [TWO, make(J, BIAS - 1), DEFAULT], TWO, 0);
  rig.call("prem", make(J | 1n, BIAS + 64), make(0xc000n << 48n, BIAS), DEFAULT);
  assert.equal(rig.status & C2, C2);
  rig.call("prem", make(J | 1n, BIAS + 63), make(0xc000n << 48n, BIAS), DEFAULT);
  assert.equal(rig.status & C2, 0);
  for (const name of ["sin", "cos", "sincos", "ptan"]) {
    gives(name, [make(J, BIAS + 63, SIGN), DEFAULT], make(J, BIAS + 63, SIGN), C2);
    rig.call(name, make(2n * J - 1n, BIAS + 62), DEFAULT);
    assert.equal(rig.status & C2, 0);
  }
});

Deno.test("decimal and integer indefinites", () => {
  // [SDM] vol. 1, tables 4-2 and 4-4
  for (const value of [QUIET, INFINITY, make(J, BIAS + 63), make(10n ** 18n << 4n, BIAS + 59)]) {
    rig.call("to_bcd", value, DEFAULT);
    assert.equal(rig.status, IE);
  }
  assert.equal(rig.call("to_bcd", INFINITY, DEFAULT).sig, 0xc000_0000_0000_0000n);
  assert.equal(rig.call("to_bcd", INFINITY, DEFAULT).se & 0xffff, 0xffff);
  for (const bits of [16, 32, 64]) {
    const lowest = BigInt.asUintN(64, -(1n << BigInt(bits - 1)));
    assert.deepEqual([rig.call("to_int", QUIET, DEFAULT, bits).sig, rig.status], [lowest, IE]);
    // The lowest integer itself is in range, its negative is not.
    const edge = make(J, BIAS + bits - 1);
    assert.deepEqual([rig.call("to_int", negative(edge), DEFAULT, bits).sig, rig.status], [lowest, 0]);
    assert.deepEqual([rig.call("to_int", edge, DEFAULT, bits).sig, rig.status], [lowest, IE]);
  }
});

Deno.test("the library goes into a module beside other functions", () => {
  const module = new WasmModule();
  const float80 = addFloat80(module);
  module.func({ name: "half", params: ["i64", "i32"], results: ["i64"], exported: true }, (f, [sig, se]) => {
    f.put(float80.status.set(i32(0)));
    f.return(f.call(float80.div, sig!, se!, i64(J), i32(BIAS + 1), i32(DEFAULT)));
  });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.bytes()));
  assert.deepEqual(Object.keys(exports), ["half"]);
  const half = exports["half"] as (sig: bigint, se: number) => bigint;
  assert.equal(BigInt.asUintN(64, half(BigInt.asIntN(64, 0xc000n << 48n), BIAS)), 0xc000n << 48n);
});
