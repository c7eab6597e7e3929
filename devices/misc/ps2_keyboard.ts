/**
 * A PS/2 keyboard as its controller sees it: commands in, answers and scan codes out.
 *
 * Not a chip on any bus but the far end of the controller's cable, so it has no window of its own; its state is part
 * of the controller's.
 *
 * Sources: [PS2KBD] IBM PS/2 Hardware Interface Technical Reference, keyboards (101- and 102-key), commands from and to
 * the system.
 * Deviates: no key repeats by itself; scan code sets 1 and 3 can be chosen and are reported, codes are those handed in.
 * @module
 */

import type { KeyboardState } from "./i8042_state.ts";

/** Commands to the keyboard. [PS2KBD] */
export const KBD_CMD = {
  SET_LEDS: 0xed,
  ECHO: 0xee,
  SCAN_CODE_SET: 0xf0,
  IDENTIFY: 0xf2,
  TYPEMATIC: 0xf3,
  ENABLE: 0xf4,
  DEFAULTS_DISABLE: 0xf5,
  DEFAULTS: 0xf6,
  /** F7h to FAh and FBh to FDh set the kind of all keys and of single keys; they matter in set 3 only. */
  ALL_KEYS_FIRST: 0xf7,
  ALL_KEYS_LAST: 0xfa,
  ONE_KEY_FIRST: 0xfb,
  ONE_KEY_LAST: 0xfd,
  RESEND: 0xfe,
  RESET: 0xff,
} as const;

/** Answers of the keyboard. [PS2KBD] */
export const KBD_REPLY = { OVERRUN: 0x00, TEST_PASSED: 0xaa, ECHO: 0xee, ACK: 0xfa, RESEND: 0xfe } as const;

/** The two bytes of its identity. [PS2KBD] */
const IDENTITY = [0xab, 0x83] as const;
/** 10.9 characters a second after half a second. [PS2KBD] */
const TYPEMATIC_DEFAULT = 0x2b;
/** Codes the buffer holds; the schema allows answers beyond them. [PS2KBD] */
const QUEUE = 16;
const WITH_PARAMETER: readonly number[] = [KBD_CMD.SET_LEDS, KBD_CMD.SCAN_CODE_SET, KBD_CMD.TYPEMATIC];

/** The keyboard. */
export class Ps2Keyboard {
  #state: KeyboardState = initial();
  readonly #leds: (leds: number) => void;

  /** @param leds takes the lock lights when the guest sets them: scroll 1, number 2, capitals 4. */
  constructor(leds: (leds: number) => void) {
    this.#leds = leds;
  }

  /** A byte from the controller. */
  command(byte: number): void {
    const state = this.#state;
    const awaited = state.command;
    state.command = 0;
    // Any command ends one that waits for its parameter; a parameter has no high bit set. [PS2KBD]
    if (awaited !== 0 && (byte < 0x80 || awaited >= KBD_CMD.ONE_KEY_FIRST)) this.#parameter(awaited, byte);
    else this.#command(byte);
  }

  /** Scan codes of the set in use, as keys make them; all or none fit. */
  keys(codes: readonly number[]): void {
    const { queue, scanning } = this.#state;
    if (!scanning) return;
    if (queue.length + codes.length <= QUEUE) queue.push(...codes);
    else if (queue.length < QUEUE && queue.at(-1) !== KBD_REPLY.OVERRUN) queue.push(KBD_REPLY.OVERRUN);
  }

  /** The oldest byte it wants to send, taken from it; undefined for none. */
  take(): number | undefined {
    const byte = this.#state.queue.shift();
    if (byte !== undefined) this.#state.last = byte;
    return byte;
  }

  reset(): void {
    this.#state = initial();
  }

  save(): KeyboardState {
    return structuredClone(this.#state);
  }

  load(state: KeyboardState): void {
    this.#state = structuredClone(state);
  }

  #command(byte: number): void {
    const state = this.#state;
    if (byte === KBD_CMD.RESEND) {
      state.queue.unshift(state.last);
      state.queue.length = Math.min(state.queue.length, QUEUE);
      return;
    }
    if (byte === KBD_CMD.ECHO) return this.#reply(KBD_REPLY.ECHO);
    if (byte < KBD_CMD.SET_LEDS || byte === 0xef || byte === 0xf1) return this.#reply(KBD_REPLY.RESEND);
    if (byte === KBD_CMD.RESET) {
      this.reset();
      this.#leds(0);
      return this.#reply(KBD_REPLY.ACK, KBD_REPLY.TEST_PASSED);
    }
    // What waits to be sent belongs to the time before the command. [PS2KBD]
    state.queue = [];
    if (byte === KBD_CMD.IDENTIFY) return this.#reply(KBD_REPLY.ACK, ...IDENTITY);
    if (WITH_PARAMETER.includes(byte) || (byte >= KBD_CMD.ONE_KEY_FIRST && byte <= KBD_CMD.ONE_KEY_LAST)) {
      state.command = byte;
    }
    if (byte === KBD_CMD.ENABLE) state.scanning = true;
    if (byte === KBD_CMD.DEFAULTS || byte === KBD_CMD.DEFAULTS_DISABLE) {
      Object.assign(state, { set: 2, typematic: TYPEMATIC_DEFAULT, scanning: byte === KBD_CMD.DEFAULTS });
    }
    this.#reply(KBD_REPLY.ACK);
  }

  #parameter(command: number, byte: number): void {
    const state = this.#state;
    switch (command) {
      case KBD_CMD.SET_LEDS:
        state.leds = byte & 7;
        this.#leds(state.leds);
        return this.#reply(KBD_REPLY.ACK);
      case KBD_CMD.TYPEMATIC:
        state.typematic = byte;
        return this.#reply(KBD_REPLY.ACK);
      case KBD_CMD.SCAN_CODE_SET:
        if (byte === 0) return this.#reply(KBD_REPLY.ACK, state.set);
        if (byte > 3) return this.#reply(KBD_REPLY.RESEND);
        state.set = byte;
        return this.#reply(KBD_REPLY.ACK);
      default:
        // The keys to be set, one after the other, until a command ends the list.
        if (byte >= KBD_CMD.SET_LEDS) return this.#command(byte);
        state.command = command;
        return this.#reply(KBD_REPLY.ACK);
    }
  }

  /** Answers come before key codes and are never lost to a full buffer. */
  #reply(...bytes: number[]): void {
    const { queue } = this.#state;
    if (queue.length > QUEUE) queue.length = QUEUE;
    queue.push(...bytes);
  }
}

/** After power-on, its self-test done and its result taken. [PS2KBD] */
function initial(): KeyboardState {
  return {
    queue: [],
    command: 0,
    last: KBD_REPLY.TEST_PASSED,
    scanning: true,
    set: 2,
    leds: 0,
    typematic: TYPEMATIC_DEFAULT,
  };
}
