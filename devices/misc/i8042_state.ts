/**
 * What an {@linkcode I8042} and the keyboard on it are made of.
 * @module
 */

import * as z from "zod/mini";
import { bits, bitsOf, within } from "../schema.ts";

/** Bytes the keyboard holds until they are taken. */
export const KEYBOARD_QUEUE = 16;

/** Schema of the state of a PS/2 keyboard. */
export const KEYBOARD_STATE = z.strictObject({
  /** Bytes on their way to the controller, oldest first. */
  queue: z.array(bits(8)).check(z.maxLength(KEYBOARD_QUEUE + 4)),
  /** The command whose parameter is awaited, 0 for none. */
  command: bits(8),
  /** The last byte sent, for the resend command. */
  last: bits(8),
  scanning: z.boolean(),
  /** Scan code set 1, 2 or 3. */
  set: within(1, 3),
  /** Scroll, number and capitals lock lights. */
  leds: bits(3),
  /** Typematic rate and delay as the F3h command gives them. */
  typematic: bits(7),
});

/** State of a PS/2 keyboard. */
export type KeyboardState = z.infer<typeof KEYBOARD_STATE>;

/** Schema of the state of the keyboard controller with its keyboard. */
export const I8042_STATE = z.strictObject({
  /** Byte 0 of the controller's memory: the command byte. */
  command: bitsOf(0x7f),
  /** The rest of its memory, bytes 1 to 31. */
  ram: z.array(bits(8)).check(z.length(31)),
  /** The output port P2, without the two bits that follow the output buffer. */
  outport: bitsOf(0xcf),
  /** The output buffer: the last byte given. */
  output: bits(8),
  /** Bits 0 (full), 3 (command), 5 (auxiliary), 6 (time-out) of the status register. */
  status: bitsOf(0x69),
  /** The controller command whose data byte is awaited, 0 for none. */
  pending: bits(8),
  /** The controller's own answers, behind the output buffer; bit 8: for the auxiliary device, bit 9: a time-out. */
  replies: z.array(bits(10)).check(z.maxLength(16)),
  /** The keyboard sent a break prefix in set 2, so the next code is that of a released key. */
  released: z.boolean(),
  keyboard: KEYBOARD_STATE,
});

/** State of the keyboard controller with its keyboard. */
export type I8042State = z.infer<typeof I8042_STATE>;
