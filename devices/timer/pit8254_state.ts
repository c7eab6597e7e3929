/**
 * What a {@linkcode Pit8254} is made of, checked before it is loaded.
 *
 * Times are relative to the moment of saving, so a state may be loaded on a clock that shows something else.
 * @module
 */

import * as z from "zod/mini";
import { bits, within } from "../schema.ts";

/** The most a counting element or count register can hold: 0 written means 2^16. */
const FULL = 65_536;

/** Schema of one counter. */
const COUNTER_STATE = z.strictObject({
  /** A control word was written since power-on. */
  programmed: z.boolean(),
  /** The low six bits of the control word. */
  control: bits(6),
  /** The count register; 0 means that no count was written since the control word. */
  reload: within(0, FULL),
  /** The first byte of a two-byte count, -1 when none is waiting for its second. */
  firstByte: within(-1, 255),
  /** The next read of a two-byte count gives the high byte. */
  readHigh: z.boolean(),
  /** The count register was written and not yet copied to the counting element. */
  nullCount: z.boolean(),
  /** The output latch, -1 when it follows the count. */
  latchedCount: within(-1, 0xffff),
  /** The status latch, -1 when it is empty. */
  latchedStatus: within(-1, 255),
  gate: z.boolean(),
  out: z.boolean(),
  /** The counting element; in mode 3 the even numbers it steps through. */
  element: within(0, FULL),
  /** The counting element holds a count. */
  loaded: z.boolean(),
  /** The next clock pulse copies the count register to the counting element. */
  loading: z.boolean(),
  /** Mode 3: the count in use is odd. */
  odd: z.boolean(),
  /** Modes 0, 1, 4, 5: the count in use has expired. */
  expired: z.boolean(),
  /** Rising edges of the output not shown on its line yet (counter 0), or all of them (counter 1). */
  rises: within(0, Number.MAX_SAFE_INTEGER),
});

/** Schema of the state of an 8254 with its port 61h. */
export const PIT_STATE = z.strictObject({
  counters: z.array(COUNTER_STATE).check(z.length(3)),
  /** The writable bits of port 61h. */
  nmisc: bits(4),
  /** An error was signalled on SERR# or IOCHK# and not cleared. */
  serrLatched: z.boolean(),
  iochkLatched: z.boolean(),
  /** Levels of the two inputs. */
  serr: z.boolean(),
  iochk: z.boolean(),
  /** The level on the OUT0 line. */
  line: z.boolean(),
  /** Clock pulses for which the level of the OUT0 line stays as it is. */
  holdTicks: within(0, 0xffff_ffff),
  /** Clock pulses since power-on, in a cycle of 18 s: the phases of the crystal and of the refresh toggle. */
  tick: within(0, 18 * 1_193_182 - 1),
  /** Nanoseconds since the last clock pulse. */
  phaseNs: within(0, 838),
});

/** State of one counter. */
export type CounterState = z.infer<typeof COUNTER_STATE>;

/** State of an 8254. */
export type PitState = z.infer<typeof PIT_STATE>;
