import assert from "node:assert/strict";
import { Arithmetic, DOUBLE, MXCSR, SINGLE } from "./binary_float.ts";

const PLAIN = 0x1f80;
const ROUND = { NEAREST: 0, DOWN: 1, UP: 2, ZERO: 3 } as const;

const double = (value: number) => new BigUint64Array(Float64Array.of(value).buffer)[0]!;
const single = (value: number) => BigInt(new Uint32Array(Float32Array.of(value).buffer)[0]!);
const numberOf = (bits: bigint) => new Float64Array(BigUint64Array.of(bits).buffer)[0]!;

/** The result of an operation and its flags, under an MXCSR. */
function run(work: (a: Arithmetic) => bigint, mxcsr = PLAIN): [bigint, number] {
  const a = new Arithmetic(mxcsr);
  return [work(a), a.flags];
}

Deno.test("Arithmetic adds, multiplies, divides and takes roots as the host does, to the nearest [IEEE 754] 4.3.1", () => {
  const values = [1, 3, 0.1, -7.25, 1e300, 5e-324, 2 ** -1022, -0, 1 / 3, 12345.678];
  for (const x of values) {
    for (const y of values) {
      const cases: [number, bigint][] = [
        [x + y, run((a) => a.add(DOUBLE, double(x), double(y)))[0]],
        [x - y, run((a) => a.subtract(DOUBLE, double(x), double(y)))[0]],
        [x * y, run((a) => a.multiply(DOUBLE, double(x), double(y)))[0]],
        [x / y, run((a) => a.divide(DOUBLE, double(x), double(y)))[0]],
        [Math.sqrt(Math.abs(x)), run((a) => a.squareRoot(DOUBLE, double(Math.abs(x))))[0]],
      ];
      for (const [expected, got] of cases) {
        assert.ok(Object.is(numberOf(got), expected), `${x} ${y}: ${expected}`);
      }
    }
  }
});

Deno.test("flags: inexact, division by zero, invalid, denormal, overflow, underflow [SDM] vol. 1, 4.9.1", () => {
  const one = double(1);
  assert.deepEqual(run((a) => a.divide(DOUBLE, one, double(3)))[1], MXCSR.PE);
  assert.deepEqual(run((a) => a.divide(DOUBLE, one, 0n)), [double(Infinity), MXCSR.ZE]);
  assert.deepEqual(run((a) => a.divide(DOUBLE, 0n, 0n)), [0xfff8000000000000n, MXCSR.IE]);
  assert.deepEqual(run((a) => a.add(DOUBLE, double(5e-324), one))[1], MXCSR.DE | MXCSR.PE);
  assert.deepEqual(run((a) => a.multiply(DOUBLE, double(1e300), double(1e300))), [
    double(Infinity),
    MXCSR.OE | MXCSR.PE,
  ]);
  assert.deepEqual(run((a) => a.multiply(DOUBLE, double(1e-300), double(1e-300))), [0n, MXCSR.UE | MXCSR.PE]);
  // A tiny result that is exact raises nothing while underflow is masked. [SDM] vol. 1, 4.9.1.5
  assert.deepEqual(run((a) => a.multiply(DOUBLE, double(2 ** -1022), double(0.5)))[1], 0);
  assert.deepEqual(run((a) => a.squareRoot(DOUBLE, double(-1))), [0xfff8000000000000n, MXCSR.IE]);
});

Deno.test("rounding control: down, up, towards zero [SDM] vol. 1, 4.8.4", () => {
  const third = (mode: number) =>
    numberOf(run((a) => a.divide(DOUBLE, double(1), double(3)), PLAIN | mode << MXCSR.ROUND_SHIFT)[0]);
  assert.ok(third(ROUND.UP) > third(ROUND.DOWN));
  assert.equal(third(ROUND.DOWN), third(ROUND.ZERO));
  assert.equal(third(ROUND.NEAREST), 1 / 3);
  // Overflow gives the greatest number where rounding is away from infinity. [SDM] vol. 1, table 4-10
  const [most] = run(
    (a) => a.add(DOUBLE, double(Number.MAX_VALUE), double(Number.MAX_VALUE)),
    PLAIN | ROUND.ZERO << 13,
  );
  assert.equal(numberOf(most), Number.MAX_VALUE);
  // x - x is -0 rounding down. [SDM] vol. 1, 4.8.3.1
  assert.equal(run((a) => a.subtract(DOUBLE, double(1), double(1)), PLAIN | ROUND.DOWN << 13)[0], 1n << 63n);
});

Deno.test("flush-to-zero and denormals-are-zeros [SDM] vol. 1, 10.2.3.3, 10.2.3.4", () => {
  const tiny = single(2 ** -126);
  const [flushed, flags] = run((a) => a.multiply(SINGLE, tiny, single(-0.5)), PLAIN | MXCSR.FTZ);
  assert.deepEqual([flushed, flags], [0x80000000n, MXCSR.UE | MXCSR.PE]);
  assert.deepEqual(run((a) => a.add(SINGLE, 1n, 0n), PLAIN | MXCSR.DAZ), [0n, 0]);
});

Deno.test("NaNs: the first operand, made quiet; signalling ones are invalid [SDM] vol. 1, table 4-7", () => {
  const [quiet, signalling] = [0x7fc00001n, 0x7f800002n];
  assert.deepEqual(run((a) => a.add(SINGLE, quiet, signalling)), [quiet, MXCSR.IE]);
  assert.deepEqual(run((a) => a.add(SINGLE, signalling, quiet)), [0x7fc00002n, MXCSR.IE]);
  assert.deepEqual(run((a) => a.add(SINGLE, single(1), quiet)), [quiet, 0]);
});

Deno.test("conversion to integers: what does not fit is the indefinite one [SDM] vol. 1, 4.8.3.7", () => {
  assert.deepEqual(run((a) => a.toInteger(DOUBLE, double(2.5), 32, false)), [2n, MXCSR.PE]);
  assert.deepEqual(run((a) => a.toInteger(DOUBLE, double(-2.5), 32, true)), [0xfffffffen, MXCSR.PE]);
  assert.deepEqual(run((a) => a.toInteger(DOUBLE, double(2 ** 31), 32, true)), [0x80000000n, MXCSR.IE]);
  assert.deepEqual(run((a) => a.toInteger(DOUBLE, double(-(2 ** 31)), 32, true)), [0x80000000n, 0]);
});
