import assert from "node:assert/strict";
import fc from "fast-check";
import { BIAS, EXPONENT, FSW, PC, RC, SIGN } from "./float80_core.ts";
import { exactly, type Rational } from "./float80_reference.ts";
import { type Extended, Float80Rig } from "./float80_rig.ts";

const rig = new Float80Rig();
const J = 1n << 63n;
const DEFAULT = 0x3f | PC.BITS64;
/** The reference computes in units of 2^-PLACES. */
const PLACES = 360n;
const ONE = 1n << PLACES;
/** The largest error in places of the last bit: half of one, and next to nothing. */
const TOLERANCE = 0.5 + 1e-9;

function fixed({ n, d }: Rational): bigint {
  return (n << PLACES) / d;
}

function product(a: bigint, b: bigint): bigint {
  return a * b >> PLACES;
}

/** x - x^3/3! + ..., or 1 - x^2/2! + ..., from the first term on. */
function series(first: bigint, from: number, square: bigint): bigint {
  let [sum, term] = [0n, first];
  for (let k = BigInt(from); term !== 0n; k += 2n) {
    sum += term;
    term = -product(term, square) / ((k + 1n) * (k + 2n));
    if (term === -1n) break;
  }
  return sum;
}

/** atan t for t from 0 to 1/4. */
function smallArctangent(t: bigint): bigint {
  let [sum, power] = [0n, t];
  const square = product(t, t);
  for (let k = 1n; power > 0n; k += 4n) {
    sum += power / k - product(power, square) / (k + 2n);
    power = product(product(power, square), square);
  }
  return sum;
}

/** pi by Machin's formula. */
const PI = 4n * (4n * smallArctangent(ONE / 5n) - smallArctangent(ONE / 239n));
/** The processor's pi: 66 bits of it. [SDM] vol. 1, 8.3.8 */
const PI_66 = PI >> PLACES - 64n << PLACES - 64n;

function squareRoot(x: bigint): bigint {
  const square = x << PLACES;
  let guess = 1n << BigInt(square.toString(2).length / 2 + 1 | 0);
  while (true) {
    const next = guess + square / guess >> 1n;
    if (next >= guess) return guess;
    guess = next;
  }
}

/** atan by halving the angle three times. */
function arctangent(t: bigint, halvings = 3): bigint {
  if (halvings === 0) return smallArctangent(t);
  return 2n * arctangent((t << PLACES) / (ONE + squareRoot(ONE + product(t, t))), halvings - 1);
}

function sineCosine(x: bigint): { sin: bigint; cos: bigint } {
  const half = PI_66 / 2n;
  const turns = (x + half / 2n - ((x + half / 2n) % half + half) % half) / half;
  const r = x - turns * half;
  const [sin, cos] = [series(r, 1, product(r, r)), series(ONE, 0, product(r, r))];
  const quadrant = Number((turns % 4n + 4n) % 4n);
  return [{ sin, cos }, { sin: cos, cos: -sin }, { sin: -sin, cos: -cos }, {
    sin: -cos,
    cos: sin,
  }][quadrant]!;
}

/** log2 of a number above 0, one bit after the other, by squaring. */
function logarithm(x: bigint): bigint {
  const whole = BigInt(x.toString(2).length) - 1n - PLACES;
  let m = whole >= 0n ? x >> whole : x << -whole;
  let sum = whole << PLACES;
  for (let bit = ONE >> 1n; bit > 1n << 60n; bit >>= 1n) {
    m = product(m, m);
    if (m >= 2n * ONE) {
      sum += bit;
      m >>= 1n;
    }
  }
  return sum;
}

const LN_2 = (() => {
  let sum = 0n;
  for (let k = 1n; k < PLACES + 10n; k++) sum += ONE / (k << k);
  return sum;
})();

/** 2^x - 1 */
function exponential(x: bigint): bigint {
  const y = product(x, LN_2);
  let [sum, term] = [0n, y];
  for (let k = 2n; term !== 0n && term !== -1n; k++) {
    sum += term;
    term = product(term, y) / k;
  }
  return sum;
}

/** How far a result is from the exact value, in places of its last bit. */
function error(actual: Extended, exact: bigint): number {
  const place = (actual.se & EXPONENT) - BIAS - 63;
  const unit = 1n << BigInt(Number(PLACES) + place);
  const difference = fixed(exactly(actual)) - exact;
  return Number((difference < 0n ? -difference : difference) * 1_000_000_000_000n / unit) / 1e12;
}

const SMALLEST_EXPONENT = -70;

/** Numbers with exponents from -70 to `highest`, either sign, the larger ones preferred. */
function numbers(highest: number): fc.Arbitrary<Extended> {
  const exponent = fc.oneof(
    fc.integer({ min: SMALLEST_EXPONENT, max: highest }),
    fc.integer({ min: highest - 4, max: highest }),
  );
  const sig = fc.oneof(
    fc.bigInt(J, 2n * J - 1n),
    fc.nat(63).map((n) => J | 1n << BigInt(n)),
    fc.nat(63).map((n) => 2n * J - (1n << BigInt(n))),
  );
  return fc.tuple(sig, exponent, fc.constantFrom(0, SIGN)).map(([s, e, sign]) => ({
    sig: s,
    se: sign | BIAS + e,
  }));
}

const RUNS = { numRuns: 300 };
const positive = (x: Extended): Extended => ({ ...x, se: x.se & EXPONENT });

function near(name: string, actual: Extended, exact: bigint): void {
  const off = error(actual, exact);
  assert.ok(off <= TOLERANCE, `${name} is off by ${off}`);
}

/** Neighbours of multiples of pi/2, where reduction takes most bits away. */
const nearTurns = fc.tuple(fc.bigInt(1n, 1n << 40n), fc.bigInt(-2n, 2n)).map(([k, off]): Extended => {
  const value = k * PI_66 / 2n;
  const length = BigInt(value.toString(2).length);
  return { sig: (value >> length - 64n) + off, se: BIAS + Number(length - 1n - PLACES) };
});

const angles = fc.oneof(numbers(5), numbers(62), nearTurns.filter(({ sig }) => sig >= J && sig < 2n * J));

Deno.test("sines and cosines are the nearest to those of the reduced angle", () => {
  fc.assert(
    fc.property(angles, (x) => {
      const { sin, cos } = sineCosine(fixed(exactly(x)));
      near("sin", rig.call("sin", x, DEFAULT), sin);
      assert.equal(rig.status & ~FSW.C1, FSW.PE);
      near("cos", rig.call("cos", x, DEFAULT), cos);
      const cosine = rig.call("sincos", x, DEFAULT);
      assert.deepEqual([cosine, rig.second], [rig.call("cos", x, DEFAULT), rig.call("sin", x, DEFAULT)]);
      rig.call("ptan", x, DEFAULT);
      near("tan", rig.second, (sin << PLACES) / cos);
    }),
    RUNS,
  );
});

Deno.test("F2XM1 is the nearest", () => {
  fc.assert(
    fc.property(
      numbers(-1),
      (x) => near("f2xm1", rig.call("f2xm1", x, DEFAULT), exponential(fixed(exactly(x)))),
    ),
    RUNS,
  );
  const [one, minusOne] = [{ sig: J, se: BIAS }, { sig: J, se: BIAS | SIGN }];
  assert.deepEqual(rig.call("f2xm1", one, DEFAULT), one);
  assert.deepEqual(rig.call("f2xm1", minusOne, DEFAULT), { sig: J, se: BIAS - 1 | SIGN });
});

/** Numbers just above and just below 1. */
const nearOne = fc.tuple(fc.bigInt(1n, J - 1n), fc.nat(60), fc.boolean()).map(
  ([bits, shift, above]): Extended => {
    const small = (bits >> BigInt(shift)) | 1n;
    return above ? { sig: J | small >> 2n, se: BIAS } : { sig: 2n * J - small, se: BIAS - 1 };
  },
);

Deno.test("FYL2X is the nearest to y times the logarithm", () => {
  fc.assert(
    fc.property(fc.oneof(numbers(60).map(positive), nearOne), numbers(10), (x, y) => {
      const exact = product(logarithm(fixed(exactly(x))), fixed(exactly(y)));
      const actual = rig.call("yl2x", x, y, DEFAULT);
      if (x.sig === J && x.se === BIAS) assert.equal(actual.sig, 0n);
      // Where less than 100 places of the product are left, the reference is not good enough.
      else if ((actual.se & EXPONENT) > BIAS - 140) near("yl2x", actual, exact);
    }),
    { numRuns: 200 },
  );
});

Deno.test("FYL2XP1 is the nearest, beyond its range as well", () => {
  fc.assert(
    fc.property(fc.oneof(numbers(-2), numbers(3).map(positive)), numbers(10), (x, y) => {
      const exact = product(logarithm(ONE + fixed(exactly(x))), fixed(exactly(y)));
      const actual = rig.call("yl2xp1", x, y, DEFAULT);
      if ((actual.se & EXPONENT) > BIAS - 140) near("yl2xp1", actual, exact);
    }),
    { numRuns: 200 },
  );
});

Deno.test("FPATAN is the nearest, in all octants", () => {
  const point = fc.oneof(
    fc.tuple(numbers(60), numbers(60)),
    fc.tuple(numbers(2), numbers(2)),
    numbers(4).map((x): [Extended, Extended] => [x, x]),
  );
  fc.assert(
    fc.property(point, ([x, y]) => {
      const [a, b] = [fixed(exactly(positive(x))), fixed(exactly(positive(y)))];
      const acute = a >= b ? arctangent((b << PLACES) / a) : PI / 2n - arctangent((a << PLACES) / b);
      const upper = x.se & SIGN ? PI - acute : acute;
      const actual = rig.call("patan", x, y, DEFAULT);
      if ((actual.se & EXPONENT) > BIAS - 140) near("patan", actual, y.se & SIGN ? -upper : upper);
      assert.equal(rig.status & ~FSW.C1, FSW.PE);
    }),
    RUNS,
  );
});

Deno.test("FPATAN on the axes", () => {
  // [SDM] vol. 2A, FPATAN, table of results
  const zero = { sig: 0n, se: 0 };
  const [one, infinity] = [{ sig: J, se: BIAS }, { sig: J, se: EXPONENT }];
  const minus = (x: Extended) => ({ ...x, se: x.se ^ SIGN });
  const pi = { sig: 0xc90fdaa2_2168c235n, se: BIAS + 1 };
  const eighths = (n: number): Extended =>
    [
      zero,
      zero,
      { ...pi, se: BIAS - 1 },
      zero,
      { ...pi, se: BIAS },
      zero,
      { sig: 0x96cbe3f9_990e91a8n, se: BIAS + 1 },
      zero,
      pi,
    ][n]!;
  const cases: [Extended, Extended, number][] = [
    [zero, zero, 0],
    [one, zero, 0],
    [infinity, one, 0],
    [infinity, zero, 0],
    [minus(zero), zero, 8],
    [minus(one), zero, 8],
    [minus(infinity), one, 8],
    [zero, one, 4],
    [minus(zero), infinity, 4],
    [one, infinity, 4],
    [infinity, infinity, 2],
    [minus(infinity), infinity, 6],
  ];
  for (const [x, y, angle] of cases) {
    assert.deepEqual(rig.call("patan", x, y, DEFAULT), eighths(angle));
    assert.equal(rig.status & ~FSW.C1, angle === 0 ? 0 : FSW.PE);
    assert.deepEqual(rig.call("patan", x, minus(y), DEFAULT), minus(eighths(angle)));
  }
});

Deno.test("directed rounding is on its side, also where the result is next to a number", () => {
  const tiny = fc.tuple(fc.bigInt(J, 2n * J - 1n), fc.integer({ min: 100, max: 16000 })).map(([sig, e]) => ({
    sig,
    se: BIAS - e,
  }));
  fc.assert(fc.property(tiny, (x) => {
    const below = x.sig === J ? { sig: 2n * J - 1n, se: x.se - 1 } : { ...x, sig: x.sig - 1n };
    const above = x.sig === 2n * J - 1n ? { sig: J, se: x.se + 1 } : { ...x, sig: x.sig + 1n };
    assert.deepEqual(rig.call("sin", x, DEFAULT | RC.DOWN), below);
    assert.deepEqual(rig.call("sin", x, DEFAULT | RC.UP), x);
    rig.call("ptan", x, DEFAULT | RC.UP);
    assert.deepEqual(rig.second, above);
    const one = { sig: J, se: BIAS };
    assert.deepEqual(rig.call("patan", one, x, DEFAULT | RC.ZERO), below);
    assert.deepEqual(rig.call("cos", x, DEFAULT | RC.DOWN), { sig: 2n * J - 1n, se: BIAS - 1 });
  }));
});
