/**
 * The keyboard controller of PCs (an 8042 with the PS/2 program): keyboard, empty auxiliary port, A20 gate, reset.
 *
 * Answers are there at once: the input buffer is never full, so drivers that poll the status register never wait. One
 * keyboard is plugged in. The auxiliary port works and has nothing plugged in: its loop-back and test commands answer,
 * and a byte sent to it times out with FEh, as on hardware, so Linux finds the port and no mouse without waiting.
 *
 * Sources: [PS2] IBM PS/2 Hardware Interface Technical Reference, keyboard and auxiliary device controller; [PCAT] IBM
 * PC AT Technical Reference, keyboard controller; [UPI42] Intel UPI-41A/41AH/42/42AH User's Manual (the buffers and
 * status bits of the chip itself).
 * Deviates: no password is installed and none can be; the diagnostic dump (ACh) and input port polling (C1h, C2h) are
 * ignored. The power-on command byte is 65h, what the self-test of a BIOS leaves, because kernels started directly see
 * no BIOS: keyboard on, translated, with its interrupt, auxiliary port off.
 * @module
 */

import type { Line } from "../../hvm/base/line.ts";
import type { Device, Window } from "../../hvm/io/device.ts";
import { toSet1 } from "./_scan_codes.ts";
import type { I8042State } from "./i8042_state.ts";
import { Ps2Keyboard } from "./ps2_keyboard.ts";

/** Status register (read at 64h). [PS2] */
export const KBC_STATUS = {
  OUTPUT_FULL: 1 << 0,
  INPUT_FULL: 1 << 1,
  SYSTEM: 1 << 2,
  COMMAND: 1 << 3,
  NOT_INHIBITED: 1 << 4,
  AUX: 1 << 5,
  TIMEOUT: 1 << 6,
  PARITY: 1 << 7,
} as const;

/** Command byte. [PS2] */
export const KBC_CONFIG = {
  INT_KBD: 1 << 0,
  INT_AUX: 1 << 1,
  SYSTEM: 1 << 2,
  DISABLE_KBD: 1 << 4,
  DISABLE_AUX: 1 << 5,
  TRANSLATE: 1 << 6,
} as const;

/** Output port P2. [PS2] */
export const KBC_OUTPORT = {
  /** Low resets the CPU. */
  RESET: 1 << 0,
  A20: 1 << 1,
  KBD_FULL: 1 << 4,
  AUX_FULL: 1 << 5,
} as const;

/** Controller commands (written to 64h). [PS2] */
export const KBC_CMD = {
  READ_RAM: 0x20,
  WRITE_RAM: 0x60,
  TEST_PASSWORD: 0xa4,
  LOAD_PASSWORD: 0xa5,
  DISABLE_AUX: 0xa7,
  ENABLE_AUX: 0xa8,
  TEST_AUX: 0xa9,
  SELF_TEST: 0xaa,
  TEST_KBD: 0xab,
  DISABLE_KBD: 0xad,
  ENABLE_KBD: 0xae,
  READ_INPORT: 0xc0,
  READ_OUTPORT: 0xd0,
  WRITE_OUTPORT: 0xd1,
  WRITE_KBD_BUFFER: 0xd2,
  WRITE_AUX_BUFFER: 0xd3,
  WRITE_AUX: 0xd4,
  DISABLE_A20: 0xdd,
  ENABLE_A20: 0xdf,
  READ_TEST_INPUTS: 0xe0,
  /** F0h to FFh pulse those of the low four bits of P2 that are 0 in the command; bit 0 is the reset line. */
  PULSE: 0xf0,
} as const;

const CONFIG_DEFAULT = KBC_CONFIG.INT_KBD | KBC_CONFIG.SYSTEM | KBC_CONFIG.DISABLE_AUX | KBC_CONFIG.TRANSLATE;
const CONFIG_WRITABLE = 0x7f;
const SELF_TEST_PASSED = 0x55;
const INTERFACE_GOOD = 0x00;
const NO_PASSWORD = 0xf1;
/** Keyboard unlocked, no manufacturing jumper, 256 KiB planar RAM: the inputs of a PC left alone. [PCAT] */
const INPORT = 0xb0;
/** Both clock lines high. [PS2] */
const TEST_INPUTS = 0x03;
const BREAK_PREFIX = 0xf0;
/** Marks of a reply beside its byte. */
const FOR_AUX = 1 << 8;
const TIMED_OUT = 1 << 9;
/** Replies that wait; what comes on top is lost, as in a chip with one buffer. */
const REPLIES = 16;
/** What the far end of a cable with no device sends. [PS2] */
const NO_ANSWER = 0xfe;
/** Bits of P2 that can be written; the two that show the output buffer cannot. */
const OUTPORT_WRITABLE = 0xcf;

/** What the board hands over. */
export interface I8042Options {
  readonly id: string;
  /** IRQ 1: high while a byte from the keyboard waits. */
  readonly keyboardIrq: Line;
  /** IRQ 12: high while a byte from the auxiliary device waits. */
  readonly auxIrq: Line;
  /** One of the two lines that open the A20 gate. */
  readonly a20: Line;
  /** Asks for a reset of the CPU. */
  readonly reset: () => void;
  /** Takes the keyboard's lights: scroll 1, number 2, capitals 4. */
  readonly leds?: (leds: number) => void;
}

/** The keyboard controller with its keyboard. */
export class I8042 implements Device<I8042State> {
  readonly id: string;
  /** Port 60h. */
  readonly data: Window = {
    length: 1,
    unit: 1,
    read: () => this.#readData(),
    write: (_offset, _width, value) => this.#writeData(value),
  };
  /** Port 64h. */
  readonly command: Window = {
    length: 1,
    unit: 1,
    read: () => this.#readStatus(),
    write: (_offset, _width, value) => this.#writeCommand(value),
  };
  readonly #keyboard: Ps2Keyboard;
  readonly #keyboardIrq: Line;
  readonly #auxIrq: Line;
  readonly #a20: Line;
  readonly #reset: () => void;
  #state: Omit<I8042State, "keyboard"> = initial();

  constructor(options: I8042Options) {
    this.id = options.id;
    this.#keyboardIrq = options.keyboardIrq;
    this.#auxIrq = options.auxIrq;
    this.#a20 = options.a20;
    this.#reset = options.reset;
    this.#keyboard = new Ps2Keyboard(options.leds ?? (() => {}));
    this.#sync();
  }

  /** Scan codes of set 2 from the keyboard, as pressed and released keys make them. */
  keys(codes: readonly number[]): void {
    this.#keyboard.keys(codes);
    this.#settle();
  }

  reset(): void {
    this.#state = initial();
    this.#keyboard.reset();
    this.#sync();
  }

  save(): I8042State {
    return { ...structuredClone(this.#state), keyboard: this.#keyboard.save() };
  }

  load(state: I8042State): void {
    const { keyboard, ...own } = structuredClone(state);
    this.#state = own;
    this.#keyboard.load(keyboard);
    this.#sync();
  }

  #readData(): number {
    const state = this.#state;
    const byte = state.output;
    state.status &= ~KBC_STATUS.OUTPUT_FULL;
    // The line drops before the next byte raises it: an edge for each byte.
    this.#settle();
    return byte;
  }

  #readStatus(): number {
    const { status, command } = this.#state;
    return status | KBC_STATUS.NOT_INHIBITED | (command & KBC_CONFIG.SYSTEM);
  }

  #writeData(value: number): void {
    const state = this.#state;
    const pending = state.pending;
    state.status &= ~KBC_STATUS.COMMAND;
    state.pending = 0;
    if (pending === 0) {
      // Sending a byte switches the interface on. [PS2]
      state.command &= ~KBC_CONFIG.DISABLE_KBD;
      this.#keyboard.command(value);
    } else {
      this.#finish(pending, value);
    }
    this.#settle();
  }

  /** The data byte of a controller command. */
  #finish(pending: number, value: number): void {
    const state = this.#state;
    switch (pending) {
      case KBC_CMD.WRITE_OUTPORT:
        state.outport = value & OUTPORT_WRITABLE;
        if ((value & KBC_OUTPORT.RESET) === 0) this.#pulseReset();
        break;
      case KBC_CMD.WRITE_KBD_BUFFER:
        this.#reply(value);
        break;
      case KBC_CMD.WRITE_AUX_BUFFER:
        this.#reply(value | FOR_AUX);
        break;
      case KBC_CMD.WRITE_AUX:
        state.command &= ~KBC_CONFIG.DISABLE_AUX;
        this.#reply(NO_ANSWER | FOR_AUX | TIMED_OUT);
        break;
      case KBC_CMD.LOAD_PASSWORD:
        if (value !== 0) state.pending = pending;
        break;
      case KBC_CMD.WRITE_RAM:
        state.command = value & CONFIG_WRITABLE;
        break;
      default:
        state.ram[pending - KBC_CMD.WRITE_RAM - 1] = value;
        break;
    }
  }

  #writeCommand(value: number): void {
    const state = this.#state;
    state.status |= KBC_STATUS.COMMAND;
    state.pending = 0;
    if (value >= KBC_CMD.PULSE) {
      if ((value & KBC_OUTPORT.RESET) === 0) this.#pulseReset();
    } else if (value >= KBC_CMD.READ_RAM && value < KBC_CMD.READ_RAM + 32) {
      const at = value - KBC_CMD.READ_RAM;
      this.#reply(at === 0 ? state.command : state.ram[at - 1]!);
    } else if (value >= KBC_CMD.WRITE_RAM && value < KBC_CMD.WRITE_RAM + 32) {
      state.pending = value;
    } else {
      this.#control(value);
    }
    this.#settle();
  }

  #control(value: number): void {
    const state = this.#state;
    switch (value) {
      case KBC_CMD.TEST_PASSWORD:
        return this.#reply(NO_PASSWORD);
      case KBC_CMD.DISABLE_AUX:
        state.command |= KBC_CONFIG.DISABLE_AUX;
        return;
      case KBC_CMD.ENABLE_AUX:
        state.command &= ~KBC_CONFIG.DISABLE_AUX;
        return;
      case KBC_CMD.SELF_TEST:
        state.command |= KBC_CONFIG.SYSTEM;
        return this.#reply(SELF_TEST_PASSED);
      case KBC_CMD.TEST_AUX:
      case KBC_CMD.TEST_KBD:
        return this.#reply(INTERFACE_GOOD);
      case KBC_CMD.DISABLE_KBD:
        state.command |= KBC_CONFIG.DISABLE_KBD;
        return;
      case KBC_CMD.ENABLE_KBD:
        state.command &= ~KBC_CONFIG.DISABLE_KBD;
        return;
      case KBC_CMD.READ_INPORT:
        return this.#reply(INPORT);
      case KBC_CMD.READ_OUTPORT:
        return this.#reply(this.#outport());
      case KBC_CMD.DISABLE_A20:
        state.outport &= ~KBC_OUTPORT.A20;
        return;
      case KBC_CMD.ENABLE_A20:
        state.outport |= KBC_OUTPORT.A20;
        return;
      case KBC_CMD.READ_TEST_INPUTS:
        return this.#reply(TEST_INPUTS);
      case KBC_CMD.LOAD_PASSWORD:
      case KBC_CMD.WRITE_OUTPORT:
      case KBC_CMD.WRITE_KBD_BUFFER:
      case KBC_CMD.WRITE_AUX_BUFFER:
      case KBC_CMD.WRITE_AUX:
        state.pending = value;
        return;
      default:
        return;
    }
  }

  #pulseReset(): void {
    this.#state.outport |= KBC_OUTPORT.RESET;
    this.#reset();
  }

  #outport(): number {
    const { outport, status } = this.#state;
    if ((status & KBC_STATUS.OUTPUT_FULL) === 0) return outport;
    return outport | ((status & KBC_STATUS.AUX) === 0 ? KBC_OUTPORT.KBD_FULL : KBC_OUTPORT.AUX_FULL);
  }

  #reply(marked: number): void {
    if (this.#state.replies.length < REPLIES) this.#state.replies.push(marked);
  }

  /** Brings the lines up to date, then fills an empty output buffer with whatever comes next, and again. */
  #settle(): void {
    this.#sync();
    const state = this.#state;
    if ((state.status & KBC_STATUS.OUTPUT_FULL) !== 0) return;
    const next = state.replies.shift() ?? this.#fromKeyboard();
    if (next === undefined) return;
    state.output = next & 0xff;
    state.status = (state.status & KBC_STATUS.COMMAND) | KBC_STATUS.OUTPUT_FULL |
      ((next & FOR_AUX) === 0 ? 0 : KBC_STATUS.AUX) | ((next & TIMED_OUT) === 0 ? 0 : KBC_STATUS.TIMEOUT);
    this.#sync();
  }

  /** The keyboard's next byte while its clock runs, translated if asked for. [PCAT] */
  #fromKeyboard(): number | undefined {
    const state = this.#state;
    if ((state.command & KBC_CONFIG.DISABLE_KBD) !== 0) return undefined;
    const byte = this.#keyboard.take();
    if (byte === undefined || (state.command & KBC_CONFIG.TRANSLATE) === 0) return byte;
    if (byte === BREAK_PREFIX) {
      state.released = true;
      return this.#fromKeyboard();
    }
    const code = toSet1(byte) | (state.released ? 0x80 : 0);
    state.released = false;
    return code;
  }

  #sync(): void {
    const { status, command, outport } = this.#state;
    const full = (status & KBC_STATUS.OUTPUT_FULL) !== 0;
    const aux = (status & KBC_STATUS.AUX) !== 0;
    this.#keyboardIrq.set(full && !aux && (command & KBC_CONFIG.INT_KBD) !== 0);
    this.#auxIrq.set(full && aux && (command & KBC_CONFIG.INT_AUX) !== 0);
    this.#a20.set((outport & KBC_OUTPORT.A20) !== 0);
  }
}

/** After power-on and the controller's self-test. */
function initial(): Omit<I8042State, "keyboard"> {
  return {
    command: CONFIG_DEFAULT,
    ram: new Array(31).fill(0),
    outport: OUTPORT_WRITABLE,
    output: 0,
    status: 0,
    pending: 0,
    replies: [],
    released: false,
  };
}
