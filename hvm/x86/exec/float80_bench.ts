/**
 * Nanoseconds of one operation of the extended-precision library: `deno bench hvm/x86/exec/float80_bench.ts`.
 *
 * Each bench calls one WebAssembly function that does 1,000 operations, each on the result of the one before.
 * @module
 */

import { WasmModule } from "../emit.ts";
import { type I32, i32, type I64, i64 } from "../emit_value.ts";
import { addFloat80, type Float80 } from "./float80.ts";

const COUNT = 1000;
const CONTROLS: Record<string, number> = { "64 bits": 0x37f, "53 bits": 0x27f };

/** Operands, one after the other, that keep a repeated operation among normal numbers. */
const CASES: Record<string, { readonly first: bigint; readonly second?: bigint }> = {
  add: { first: 0xc90fdaa2_2168c235n, second: 0xb504f333_f9de6485n },
  mul: { first: 0xc90fdaa2_2168c235n, second: 0x80000000_00000003n },
  div: { first: 0xc90fdaa2_2168c235n, second: 0x80000000_00000003n },
  sqrt: { first: 0xc90fdaa2_2168c235n },
  sin: { first: 0xc90fdaa2_2168c235n },
  f2xm1: { first: 0xc90fdaa2_2168c235n },
  yl2x: { first: 0xc90fdaa2_2168c235n, second: 0x80000000_00000003n },
  patan: { first: 0xc90fdaa2_2168c235n, second: 0x80000000_00000003n },
};

/** A loop around one function, its operand the result before; the exponent is put back to that of 1. */
function emitLoop(module: WasmModule, float80: Float80, name: keyof Float80 & string): void {
  const { first, second } = CASES[name]!;
  const target = float80[name] as Float80["add"];
  module.func({ name, params: ["i32"], results: ["i64"], exported: true }, (f, [control]) => {
    const [sig, left] = [f.local("i64"), f.local("i32")];
    f.set(sig, i64(first));
    f.set(left, i32(COUNT));
    const se = i32(name === "f2xm1" ? 0x3ffe : 0x3fff);
    const other = second === undefined ? [] : [i64(second), i32(0x3fff)];
    f.loop((again) => {
      f.set(sig, f.call(target, sig.value, se, ...other, control as I32) as I64);
      f.set(left, left.value.sub(1));
      f.brIf(again, left.value);
    });
    f.return(sig.value);
  });
}

const module = new WasmModule();
const float80 = addFloat80(module);
for (const name of Object.keys(CASES)) emitLoop(module, float80, name as keyof Float80 & string);
const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.bytes()));
const loops = exports as Record<string, (control: number) => bigint>;

for (const name of Object.keys(CASES)) {
  for (const [precision, control] of Object.entries(CONTROLS)) {
    if (precision === "53 bits" && /^(sin|f2xm1|yl2x|patan)$/.test(name)) continue;
    // deno-lint-ignore hvm/pure -- a measurement is nothing without the clock
    Deno.bench(
      { name: `${COUNT} times ${name}, ${precision}`, n: 200, warmup: 50 },
      () => void loops[name]!(control),
    );
  }
}
