/**
 * The suite every device passes: reset, save and load, plain data, total reads and writes, junk refused.
 *
 * ```ts
 * deviceContract("Uart16550", {
 *   build: () => { const { uart } = rig(); return { device: uart, windows: [uart.window] }; },
 *   schema: UART_STATE,
 * });
 * ```
 * @module
 */

import assert from "node:assert/strict";
import type { Device, Width, Window } from "../io/device.ts";
import type { StateSchema } from "../io/snapshot.ts";

/** What the suite needs of a device. */
export interface ContractRig<S> {
  readonly device: Device<S>;
  readonly windows: readonly Window[];
  /** Runs any timers, so that the junk test reaches what they do. */
  readonly advance?: (ns: number) => void;
}

/** Registers the contract's tests for one device. `build` makes a fresh one each time. */
export function deviceContract<S>(
  name: string,
  options: { build: () => ContractRig<S>; schema: StateSchema<S> },
): void {
  const { build, schema } = options;

  Deno.test(`${name} contract: reset gives the power-on state whatever came before`, () => {
    const { device, windows, advance } = build();
    const fresh = device.save();
    disturb(windows, 1, advance);
    device.reset();
    assert.deepEqual(device.save(), fresh);
  });

  Deno.test(`${name} contract: a saved state is plain data its schema accepts`, () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { device, windows, advance } = build();
      disturb(windows, seed, advance);
      const state = device.save();
      assert.deepEqual(JSON.parse(JSON.stringify(state)), state);
      const parsed = schema.safeParse(state);
      assert.ok(parsed.success, `seed ${seed}: ${parsed.success ? "" : parsed.error.message}`);
    }
  });

  Deno.test(`${name} contract: load takes up where save left off`, () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { device, windows, advance } = build();
      disturb(windows, seed, advance);
      const state = device.save();
      const other = build();
      other.device.load(JSON.parse(JSON.stringify(state)));
      assert.deepEqual(other.device.save(), state);
    }
  });

  Deno.test(`${name} contract: every register answers every width with a value that fits`, () => {
    const { device, windows } = build();
    device.reset();
    for (const window of windows) {
      for (const width of widthsOf(window)) {
        for (let offset = 0; offset + width <= window.length; offset += width) {
          for (const value of [0, 1, 0x55, 0xaa, 0xff, 0x8000, 0xffff, 0x80000000, 0xffffffff]) {
            window.write(offset, width, value % 2 ** (8 * width));
            const got = window.read(offset, width);
            assert.ok(
              Number.isInteger(got) && got >= 0 && got < 2 ** (8 * width),
              `offset ${offset} width ${width} reads ${got}`,
            );
          }
        }
      }
    }
  });

  Deno.test(`${name} contract: the schema refuses junk`, () => {
    const { device } = build();
    const state = device.save() as Record<string, unknown>;
    for (const junk of [undefined, null, 7, "state", []]) assert.ok(!schema.safeParse(junk).success);
    for (const key of Object.keys(state)) {
      const { [key]: _, ...rest } = state;
      assert.ok(!schema.safeParse(rest).success, `without ${key}`);
      assert.ok(!schema.safeParse({ ...state, [key]: { junk: 1 } }).success, `junk in ${key}`);
    }
  });
}

function widthsOf(window: Window): Width[] {
  const least = window.least ?? 1;
  return ([1, 2, 4] as const).filter((width) => width >= least && width <= window.unit);
}

/** A fixed pseudo-random walk over the registers. */
function disturb(windows: readonly Window[], seed: number, advance?: (ns: number) => void): void {
  let word = Math.imul(seed, 0x9e3779b1) >>> 0 || 1;
  const next = () => {
    word ^= word << 13;
    word ^= word >>> 17;
    word ^= word << 5;
    return word >>>= 0;
  };
  for (let i = 0; i < 400; i++) {
    const window = windows[next() % windows.length]!;
    const widths = widthsOf(window);
    const width = widths[next() % widths.length]!;
    const offset = next() % Math.max(1, Math.floor(window.length / width)) * width;
    if (next() % 3 === 0) window.read(offset, width);
    else window.write(offset, width, next() % 2 ** (8 * width));
    if (advance !== undefined && next() % 8 === 0) advance(next() % 5_000_000);
  }
}
