/**
 * The extended-precision library instantiated by itself, for tests and measurements.
 *
 * @module
 */

import { WasmModule } from "../emit.ts";
import { addFloat80 } from "./float80.ts";

/** An 80-bit value: significand, and sign with exponent. */
export interface Extended {
  readonly sig: bigint;
  readonly se: number;
}

/** What a function is given: operands as {@linkcode Extended}, anything else as it is. */
export type Argument = Extended | number | bigint;

type Exports = Record<string, (...args: (number | bigint)[]) => number | bigint>;

/** One instance of the library. */
export class Float80Rig {
  readonly exports: Exports;
  readonly #globals: Record<string, WebAssembly.Global>;

  constructor() {
    const module = new WasmModule();
    addFloat80(module, { exported: true });
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.bytes()));
    this.exports = exports as Exports;
    this.#globals = exports as unknown as Record<string, WebAssembly.Global>;
  }

  /** Clears the status and calls a function by its name without prefix. */
  call(name: string, ...args: Argument[]): Extended {
    this.clear();
    return this.more(name, ...args);
  }

  /** Calls a function and keeps the status of those before. */
  more(name: string, ...args: Argument[]): Extended {
    return { sig: BigInt.asUintN(64, BigInt(this.#run(name, args))), se: this.#globals["f80_se"]!.value };
  }

  /** Calls a function that gives a plain number. */
  word(name: string, ...args: Argument[]): number {
    return Number(this.#run(name, args));
  }

  /** The second result of the last call. */
  get second(): Extended {
    const { f80_sig2: sig, f80_se2: se } = this.#globals;
    return { sig: BigInt.asUintN(64, sig!.value), se: se!.value };
  }

  get status(): number {
    return this.#globals["f80_status"]!.value;
  }

  clear(): void {
    this.#globals["f80_status"]!.value = 0;
  }

  #run(name: string, args: readonly Argument[]): number | bigint {
    const flat = args.flatMap((arg) => typeof arg === "object" ? [arg.sig, arg.se] : [arg]);
    const target = this.exports[`f80_${name}`];
    if (target === undefined) throw new RangeError(`The library has no ${name}`);
    return target(...flat);
  }
}
