/**
 * The breakpoints and watchpoints a debugger has set on a processor.
 *
 * They are armed while the processor runs only, so that memory and registers show nothing of them while it stands still;
 * whether the engine takes one is tried when it is set.
 * @module
 */

import type { DebugPlan, Watch } from "../vendor/ops.ts";

/** What a debugger can set at an address. */
export type PointKind = "software" | "hardware" | Watch["access"];

/** What a debugger can do about points. */
export interface DebugPoints {
  /** False when the engine has no room for it, or cannot set it there. */
  set(kind: PointKind, linear: bigint, length: number): boolean;
  clear(kind: PointKind, linear: bigint, length: number): void;
  clearAll(): void;
  /** Sets the same on another processor. */
  copyTo(points: DebugPoints): void;
}

/** The points of one processor. */
export class PointSet implements DebugPoints {
  readonly #arm: (plan: DebugPlan) => boolean;
  /** Undefined: the processor stands still. */
  #running: { readonly step: boolean } | undefined;
  readonly #software = new Set<bigint>();
  readonly #hardware = new Set<bigint>();
  #watches: readonly Watch[] = [];

  /** @param arm gives a plan to the engine; false when it cannot hold all of it. */
  constructor(arm: (plan: DebugPlan) => boolean) {
    this.#arm = arm;
  }

  /** The processor is about to run. */
  armFor(step: boolean): void {
    this.#running = { step };
    this.#settle();
  }

  /** It stands still. */
  disarm(): void {
    this.#running = undefined;
    this.#settle();
  }

  set(kind: PointKind, linear: bigint, length: number): boolean {
    const undo = this.#add(kind, linear, length);
    const possible = this.#arm(this.#plan(this.#running?.step ?? false));
    if (!possible) undo();
    this.#settle();
    return possible;
  }

  clear(kind: PointKind, linear: bigint, length: number): void {
    if (kind === "software") this.#software.delete(linear);
    else if (kind === "hardware") this.#hardware.delete(linear);
    else {
      this.#watches = this.#watches.filter((one) =>
        one.access !== kind || one.address !== linear || one.length !== length
      );
    }
    this.#settle();
  }

  clearAll(): void {
    this.#software.clear();
    this.#hardware.clear();
    this.#watches = [];
    this.#settle();
  }

  copyTo(points: DebugPoints): void {
    for (const address of this.#software) points.set("software", address, 1);
    for (const address of this.#hardware) points.set("hardware", address, 1);
    for (const { access, address, length } of this.#watches) points.set(access, address, length);
  }

  /** Adds a point; the result takes it away again. */
  #add(kind: PointKind, address: bigint, length: number): () => void {
    if (kind === "software" || kind === "hardware") {
      const set = kind === "software" ? this.#software : this.#hardware;
      const had = set.has(address);
      set.add(address);
      return () => void (had || set.delete(address));
    }
    const before = this.#watches;
    this.#watches = [...before, { access: kind, address, length }];
    return () => void (this.#watches = before);
  }

  #settle(): void {
    this.#arm(this.#running === undefined ? NOTHING : this.#plan(this.#running.step));
  }

  #plan(step: boolean): DebugPlan {
    return {
      step,
      software: [...this.#software],
      hardware: [...this.#hardware],
      watches: this.#watches,
    };
  }
}

const NOTHING: DebugPlan = { step: false, software: [], hardware: [], watches: [] };
