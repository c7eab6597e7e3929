/**
 * A local APIC with recorded surroundings, for tests.
 * @module
 */

import { FakeClock } from "../../hvm/testing/rig.ts";
import { DELIVERY, type InterruptMessage } from "../../hvm/io/msi.ts";
import { Lapic, type LapicOptions } from "./lapic.ts";
import type { IpiMessage } from "./lapic_ipi.ts";
import { APIC_BASE, LAPIC_MSR, LAPIC_REG, SVR } from "./lapic_regs.ts";
import { LAPIC_WORDS } from "./lapic_words.ts";

/** A time stamp counter of 3 ticks a nanosecond, from 1000. */
export function fakeTsc(clock: FakeClock) {
  return {
    read: () => BigInt(Math.floor(clock.now())) * 3n + 1000n,
    deadlineNs: (tsc: bigint) => Math.ceil(Number(tsc - 1000n) / 3),
  };
}

/** Builds one. `enabled` (the default) enables it by SVR with spurious vector FFh. */
export function lapicRig(options: Partial<LapicOptions> & { enabled?: boolean; hasTsc?: boolean } = {}) {
  const { enabled = true, hasTsc = true, ...rest } = options;
  const clock = (options.clock as FakeClock | undefined) ?? new FakeClock();
  const words = options.words ?? new Int32Array(LAPIC_WORDS);
  const sent: IpiMessage[] = [];
  const ended: number[] = [];
  const moves: (number | undefined)[] = [];
  const counts = { changed: 0 };
  const lapic = new Lapic({
    apicId: 0,
    bsp: true,
    clock,
    words,
    send: (message) => sent.push(message),
    eoi: (vector) => ended.push(vector),
    changed: () => counts.changed++,
    moved: (base) => moves.push(base),
    ...(hasTsc ? { tsc: fakeTsc(clock) } : {}),
    ...rest,
  });
  const put = (reg: number, value: number) => lapic.window.write(reg, 4, value >>> 0);
  const get = (reg: number) => lapic.window.read(reg, 4);
  if (enabled) put(LAPIC_REG.SVR, SVR.ENABLE | 0xff);
  return {
    lapic,
    clock,
    words,
    sent,
    ended,
    moves,
    counts,
    put,
    get,
    fixed: (vector: number, level = false) => lapic.accept(message({ vector, level })),
    eoi: () => put(LAPIC_REG.EOI, 0),
    /** Takes everything that may be taken now, ending each at once. */
    drain: () => {
      const vectors = [];
      while (lapic.highestPending() >= 0) {
        vectors.push(lapic.acknowledge());
        put(LAPIC_REG.EOI, 0);
      }
      return vectors;
    },
    /** Enters x2APIC mode. */
    enterX2apic: () => lapic.writeMsr(LAPIC_MSR.APIC_BASE, lapic.apicBase | BigInt(APIC_BASE.X2APIC)),
    rdmsr: (reg: number) => lapic.readMsr(0x800 + reg / 16),
    wrmsr: (reg: number, value: bigint | number) => lapic.writeMsr(0x800 + reg / 16, BigInt(value)),
  };
}

/** A fixed edge message to APIC 0, with what is given changed. */
export function message<M extends Partial<InterruptMessage & { wide: boolean }>>(parts: M) {
  return {
    vector: 0x40,
    delivery: DELIVERY.FIXED as number,
    destination: 0,
    logical: false,
    level: false,
    asserted: true,
    ...parts,
  };
}
