import assert from "node:assert/strict";
import fc from "fast-check";
import { BIAS, EXPONENT, FSW, PC, RC, SIGN } from "./float80_core.ts";
import { exactly, over, plus, type Rational, root, rounded, times } from "./float80_reference.ts";
import { type Extended, Float80Rig } from "./float80_rig.ts";

const rig = new Float80Rig();
const MASKED = 0x3f;
const DEFAULT = MASKED | PC.BITS64;
const INTEGER_BIT = 1n << 63n;
const CONDITION = FSW.C0 | FSW.C2 | FSW.C3;

const significand = fc.oneof(
  fc.bigInt(INTEGER_BIT, 2n * INTEGER_BIT - 1n),
  fc.nat(63).map((n) => INTEGER_BIT | 1n << BigInt(n)),
  fc.nat(63).map((n) => 2n * INTEGER_BIT - (1n << BigInt(n))),
  fc.constantFrom(INTEGER_BIT, INTEGER_BIT + 1n, 2n * INTEGER_BIT - 1n),
);
const sign = fc.constantFrom(0, SIGN);

/** Normal numbers whose exponents are within `spread` of each other and anywhere, the ends preferred. */
function numbers(count: number, spread: number): fc.Arbitrary<Extended[]> {
  const middle = fc.oneof(
    fc.constant(BIAS),
    fc.constantFrom(1 + spread, EXPONENT - 1 - spread, BIAS / 2 | 0, BIAS * 3 / 2 | 0),
    fc.integer({ min: 1 + spread, max: EXPONENT - 1 - spread }),
  );
  const offsets = fc.array(fc.integer({ min: -spread, max: spread }), { minLength: count, maxLength: count });
  const others = fc.array(fc.tuple(significand, sign), { minLength: count, maxLength: count });
  return fc.tuple(middle, offsets, others).map(([at, near, rest]) =>
    rest.map(([sig, s], i) => ({ sig, se: s | at + near[i]! }))
  );
}

const denormal = fc.tuple(fc.bigInt(1n, INTEGER_BIT - 1n), sign).map(([sig, se]) => ({ sig, se }));
const precision = fc.constantFrom<number>(PC.BITS24, PC.BITS53, PC.BITS64);
const mode = fc.constantFrom<number>(RC.NEAREST, RC.DOWN, RC.UP, RC.ZERO);
const control = fc.tuple(precision, mode).map(([p, m]) => p | m | MASKED);

function check(
  name: string,
  operands: readonly Extended[],
  word: number,
  exact: Rational,
): void {
  const actual = rig.call(name, ...operands, word);
  const denormals = operands.some(({ se }) => (se & EXPONENT) === 0) ? FSW.DE : 0;
  if (exact.n === 0n) {
    assert.equal(actual.sig, 0n);
    assert.equal(rig.status, denormals);
    return;
  }
  const expected = rounded(exact, word);
  assert.deepEqual({ ...actual, status: rig.status }, {
    ...expected.value,
    status: expected.status | denormals,
  });
}

const BINARY: Record<string, (a: Rational, b: Rational) => Rational> = {
  add: plus,
  sub: (a, b) => plus(a, { n: -b.n, d: b.d }),
  mul: times,
  div: over,
};

for (const [name, exact] of Object.entries(BINARY)) {
  Deno.test(`${name} is the exact result rounded once, in every precision and mode`, () => {
    fc.assert(
      fc.property(fc.oneof(numbers(2, 70), numbers(2, 3)), control, ([a, b], word) => {
        check(name, [a!, b!], word, exact(exactly(a!), exactly(b!)));
      }),
      { numRuns: 1500 },
    );
  });
  Deno.test(`${name} of denormals`, () => {
    const small = numbers(1, 60).map(([x]) => ({ ...x!, se: x!.se & SIGN | (x!.se & 0x7f) + 1 }));
    const ones = numbers(1, 70).map(([x]) => ({ ...x!, se: x!.se & SIGN | BIAS - 64 + (x!.se & 0x7f) }));
    const second = fc.oneof(denormal, small, ones);
    fc.assert(
      fc.property(denormal, second, control, (a, b, word) => {
        check(name, [a, b], word, exact(exactly(a), exactly(b)));
        check(name, [b, a], word, exact(exactly(b), exactly(a)));
      }),
      { numRuns: 500 },
    );
  });
}

Deno.test("results at the lower and the upper end of the exponents", () => {
  const low = fc.tuple(significand, sign, fc.nat(70)).map(([sig, s, e]) => ({ sig, se: s | 1 + e }));
  const half = fc.tuple(significand, sign, fc.nat(70)).map(([sig, s, e]) => ({ sig, se: s | BIAS - e }));
  const high = fc.tuple(significand, sign, fc.nat(2)).map(([sig, s, e]) => ({
    sig,
    se: s | EXPONENT - 1 - e,
  }));
  const large = fc.tuple(significand, sign, fc.nat(2)).map(([sig, s, e]) => ({ sig, se: s | BIAS - 1 + e }));
  fc.assert(
    fc.property(low, half, high, large, control, (a, b, c, d, word) => {
      check("mul", [a, b], word, times(exactly(a), exactly(b)));
      check("mul", [c, d], word, times(exactly(c), exactly(d)));
      check("add", [c, c], word, plus(exactly(c), exactly(c)));
    }),
    { numRuns: 1500 },
  );
});

Deno.test("sqrt is the exact root rounded once", () => {
  fc.assert(
    fc.property(fc.oneof(numbers(1, 3).map(([x]) => x!), denormal), control, (x, word) => {
      const positive = { ...x, se: x.se & EXPONENT };
      check("sqrt", [positive], word, root(exactly(positive)));
    }),
    { numRuns: 1000 },
  );
});

Deno.test("sqrt of a square is exact", () => {
  fc.assert(fc.property(fc.bigInt(1n, (1n << 32n) - 1n), (whole) => {
    const square = rig.call("from_int", BigInt.asIntN(64, whole * whole % (1n << 63n)));
    if (whole * whole >= 1n << 63n) return;
    assert.deepEqual(rig.call("sqrt", square, DEFAULT), rig.call("from_int", whole));
    assert.equal(rig.status, 0);
  }));
});

/** The bits of a double, and back. */
const cells = new BigInt64Array(1);
const doubles = new Float64Array(cells.buffer);
const singles = new Float32Array(cells.buffer);

function loadDouble(value: number): Extended {
  doubles[0] = value;
  return rig.call("load_f64", cells[0]!);
}

function storeDouble(value: Extended, word: number): number {
  cells[0] = BigInt.asIntN(64, rig.call("to_f64", value, word).sig);
  return doubles[0]!;
}

function loadSingle(value: number): Extended {
  cells[0] = 0n;
  singles[0] = value;
  return rig.call("load_f32", cells[0]!);
}

function storeSingle(value: Extended, word: number): number {
  cells[0] = BigInt.asIntN(64, rig.call("to_f32", value, word).sig);
  return singles[0]!;
}

const NUMBERS: Record<string, (a: number, b: number) => number> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
};

Deno.test("at 53 bits the results are those of JavaScript's numbers", () => {
  const word = MASKED | PC.BITS53;
  const plain = fc.oneof(fc.double(), fc.double({ min: -1e6, max: 1e6 }));
  fc.assert(
    fc.property(plain, plain, (a, b) => {
      for (const [name, compute] of Object.entries(NUMBERS)) {
        const expected = compute(a, b);
        // Below the normal doubles the store rounds a second time.
        if (expected !== 0 && Math.abs(expected) < 2 ** -1021) continue;
        if (expected === 0 && (name === "mul" || name === "div")) continue;
        const actual = storeDouble(rig.call(name, loadDouble(a), loadDouble(b), word), word);
        assert.ok(Object.is(actual, expected), `${a} ${name} ${b} gives ${actual}, not ${expected}`);
      }
      const size = Math.abs(a);
      assert.ok(Object.is(storeDouble(rig.call("sqrt", loadDouble(size), word), word), Math.sqrt(size)));
    }),
    { numRuns: 3000 },
  );
});

Deno.test("at 24 bits the results are those of single precision", () => {
  const word = MASKED | PC.BITS24;
  const plain = fc.float({ noNaN: true });
  fc.assert(
    fc.property(plain, plain, (a, b) => {
      for (const [name, compute] of Object.entries(NUMBERS)) {
        const expected = Math.fround(compute(a, b));
        if (Math.abs(expected) < 2 ** -125) continue;
        const actual = storeSingle(rig.call(name, loadSingle(a), loadSingle(b), word), word);
        assert.ok(Object.is(actual, expected), `${a} ${name} ${b} gives ${actual}, not ${expected}`);
      }
    }),
    { numRuns: 2000 },
  );
});

Deno.test("doubles and singles come back as they went in; doubles become singles as by Math.fround", () => {
  fc.assert(fc.property(fc.double(), fc.float(), (a, b) => {
    assert.ok(Object.is(storeDouble(loadDouble(a), DEFAULT), a));
    assert.ok(Object.is(storeSingle(loadSingle(b), DEFAULT), b));
    assert.ok(Object.is(storeSingle(loadDouble(a), DEFAULT), Math.fround(a)));
  }));
});

Deno.test("integers and decimals come back as they went in", () => {
  fc.assert(fc.property(fc.bigInt(-(1n << 63n), (1n << 63n) - 1n), (value) => {
    const extended = rig.call("from_int", value);
    assert.equal(BigInt.asIntN(64, rig.call("to_int", extended, DEFAULT, 64).sig), value);
    assert.equal(rig.status, 0);
    const decimal = value % 10n ** 18n;
    const low = rig.call("to_bcd", rig.call("from_int", decimal), DEFAULT);
    const digits = (decimal < 0n ? -decimal : decimal).toString().padStart(18, "0");
    const packed = BigInt(`0x${digits}`);
    assert.equal(low.sig, BigInt.asUintN(64, packed));
    assert.equal(low.se & 0xffff, Number(packed >> 64n) | (decimal < 0n ? SIGN : 0));
    assert.deepEqual(rig.call("from_bcd", low), rig.call("from_int", decimal));
  }));
});

Deno.test("rounding to an integer is the integer of the mode", () => {
  fc.assert(fc.property(numbers(1, 0), fc.integer({ min: -3, max: 66 }), control, ([x], e, word) => {
    const value = { sig: x!.sig, se: x!.se & SIGN | BIAS + e };
    const { n, d } = exactly(value);
    const [down, rest] = [(n - (n % d + d) % d) / d, (n % d + d) % d];
    const nearer = 2n * rest > d || 2n * rest === d && (down & 1n) !== 0n;
    const ups = {
      [RC.NEAREST]: nearer,
      [RC.DOWN]: false,
      [RC.UP]: rest > 0n,
      [RC.ZERO]: n < 0n && rest > 0n,
    };
    const expected = down + (ups[word & 0xc00] ? 1n : 0n);
    const actual = rig.call("rndint", value, word);
    assert.equal(rig.status & FSW.PE, rest === 0n ? 0 : FSW.PE);
    const { n: wholeN, d: wholeD } = exactly(actual);
    assert.equal(wholeN, expected * wholeD);
    assert.equal(actual.se & SIGN, value.se & SIGN);
    for (const bits of [16, 32, 64]) {
      const integer = BigInt.asIntN(64, rig.call("to_int", value, word, bits).sig);
      const fits = BigInt.asIntN(bits, expected) === expected;
      assert.equal(integer, fits ? expected : -(1n << BigInt(bits - 1)));
      assert.equal(rig.status & FSW.IE, fits ? 0 : FSW.IE);
    }
  }));
});

Deno.test("a remainder and its quotient bits make up the dividend", () => {
  const pairs = fc.tuple(numbers(2, 0), fc.integer({ min: -5, max: 63 }));
  fc.assert(
    fc.property(pairs, ([[a, b], distance]) => {
      const dividend = { sig: a!.sig, se: a!.se & SIGN | BIAS + distance };
      const divisor = { sig: b!.sig, se: b!.se & SIGN | BIAS };
      const [x, y] = [exactly(dividend), exactly(divisor)];
      const ratio = over(x, y);
      const cut = ratio.n / ratio.d;
      const doubled = 2n * ratio.n + ratio.d;
      const floor = (doubled - (doubled % (2n * ratio.d) + 2n * ratio.d) % (2n * ratio.d)) / (2n * ratio.d);
      const tie = doubled % (2n * ratio.d) === 0n;
      const nearest = tie && (floor & 1n) !== 0n ? floor - 1n : floor;
      for (const [name, quotient] of [["prem", cut], ["prem1", nearest]] as const) {
        const rest = rig.call(name, dividend, divisor, MASKED);
        const { n, d } = plus(x, times({ n: -quotient, d: 1n }, y));
        const actual = exactly(rest);
        assert.equal(actual.n * d, n * actual.d, name);
        const q = quotient < 0n ? -quotient : quotient;
        const bits = (q & 4n ? FSW.C0 : 0) | (q & 2n ? FSW.C3 : 0) | (q & 1n ? FSW.C1 : 0);
        assert.equal(rig.status, bits, name);
      }
    }),
    { numRuns: 1000 },
  );
});

Deno.test("partial remainders end at the remainder", () => {
  fc.assert(fc.property(numbers(2, 0), fc.integer({ min: 64, max: 3000 }), ([a, b], distance) => {
    const divisor = { sig: b!.sig, se: b!.se & SIGN | BIAS };
    let rest = { sig: a!.sig, se: a!.se & SIGN | BIAS + distance };
    const [x, y] = [exactly(rest), exactly(divisor)];
    let rounds = 0;
    do {
      const before = rest.se & EXPONENT;
      rest = rig.call("prem", rest, divisor, DEFAULT);
      const left = (rest.se & EXPONENT) - BIAS;
      if (rig.status & FSW.C2) assert.ok(before - (rest.se & EXPONENT) >= 32 || left < 0);
      rounds++;
    } while ((rig.status & FSW.C2) !== 0 && rounds < 200);
    const ratio = over(x, y);
    const { n, d } = plus(x, times({ n: -(ratio.n / ratio.d), d: 1n }, y));
    const actual = exactly(rest);
    assert.equal(actual.n * d, n * actual.d);
  }));
});

Deno.test("scaling by the extracted exponent gives the number back", () => {
  fc.assert(fc.property(fc.oneof(numbers(1, 0).map(([x]) => x!), denormal), control, (x, word) => {
    const significand = rig.call("xtract", x);
    assert.equal(significand.se & EXPONENT, BIAS);
    assert.deepEqual(rig.call("scale", significand, rig.second, word), x);
    assert.equal(rig.status, 0);
  }));
});

Deno.test("comparison orders as the exact values do", () => {
  const any = fc.oneof(numbers(2, 1), fc.tuple(denormal, denormal), numbers(1, 0).map(([x]) => [x!, x!]));
  fc.assert(
    fc.property(any, ([a, b]) => {
      rig.clear();
      const { n } = plus(exactly(a!), times({ n: -1n, d: 1n }, exactly(b!)));
      const expected = n === 0n ? FSW.C3 : n < 0n ? FSW.C0 : 0;
      assert.equal(rig.word("compare", a!, b!, 0) & CONDITION, expected);
    }),
    { numRuns: 500 },
  );
});
