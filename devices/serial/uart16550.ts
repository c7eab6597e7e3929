/**
 * National PC16550D: the asynchronous receiver/transmitter of PC serial ports, with its two 16-byte FIFOs.
 *
 * The far end is a byte sink and a byte source, not a wire, and this decides what is timed:
 * - A byte written to THR is out at once, so THRE and TEMT always read as set, the transmitter FIFO never fills, and
 *   the "transmitter empty" interrupt is due again right after each write. No driver can tell this from a fast line.
 * - Received bytes are never lost: {@linkcode Uart16550.receive} takes what has room and the owner keeps the rest. An
 *   overrun can happen in loopback only.
 * - The character time-out is timed from the divisor and the word format, as guests see it. One that is due strikes
 *   before whatever the guest does next, and each operation looks at the clock once at most.
 *
 * On a PC the interrupt output passes a gate that pin OUT2 opens; that gate is part of this chip's line here. In
 * loopback the pin is forced inactive, so no interrupt leaves (IIR still shows what is due).
 *
 * Sources: [16550D] National PC16550D, June 1995 (TL/C/8652), registers; [PCAT] IBM PC AT Technical Reference, serial
 * adapter (1.8432 MHz clock, OUT2 gate).
 * Deviates: all eight bits of THR reach the sink whatever word length is set, for guests that print before they set
 * LCR; parity is neither made nor checked; a divisor of 0 counts as 1; break (LCR bit 6) sends nothing.
 * @module
 */

import { field } from "../../hvm/base/bits.ts";
import { type Clock, NS_PER_S, type Timer } from "../../hvm/base/clock.ts";
import type { Line } from "../../hvm/base/line.ts";
import type { Device, Window } from "../../hvm/io/device.ts";
import type { UartState } from "./uart16550_state.ts";

/** Registers by address lines A2 to A0; some share one. [16550D] summary of registers */
export const UART_REG = {
  RBR: 0,
  THR: 0,
  DLL: 0,
  IER: 1,
  DLM: 1,
  IIR: 2,
  FCR: 2,
  LCR: 3,
  MCR: 4,
  LSR: 5,
  MSR: 6,
  SCR: 7,
} as const;

/** Interrupt enable. [16550D] IER */
export const IER = { ERBFI: 1 << 0, ETBEI: 1 << 1, ELSI: 1 << 2, EDSSI: 1 << 3 } as const;

/** Interrupt identification, highest priority first; the values include bit 0, which is clear when one is due. [16550D] interrupt control functions */
export const IIR = {
  NONE: 0x01,
  LINE_STATUS: 0x06,
  RECEIVED: 0x04,
  TIMEOUT: 0x0c,
  EMPTY: 0x02,
  MODEM_STATUS: 0x00,
  FIFOS: 0xc0,
} as const;

/** FIFO control, write only. [16550D] FCR */
export const FCR = {
  ENABLE: 1 << 0,
  CLEAR_RECEIVED: 1 << 1,
  CLEAR_SENT: 1 << 2,
  DMA_MODE: 1 << 3,
  TRIGGER: 0xc0,
} as const;

/** Line control. [16550D] LCR */
export const LCR = {
  WLS: 0x03,
  STB: 1 << 2,
  PEN: 1 << 3,
  EPS: 1 << 4,
  STICK: 1 << 5,
  BREAK: 1 << 6,
  DLAB: 1 << 7,
} as const;

/** Modem control. [16550D] MCR */
export const MCR = { DTR: 1 << 0, RTS: 1 << 1, OUT1: 1 << 2, OUT2: 1 << 3, LOOP: 1 << 4 } as const;

/** Line status; reset 60h. [16550D] LSR */
export const LSR = {
  DR: 1 << 0,
  OE: 1 << 1,
  PE: 1 << 2,
  FE: 1 << 3,
  BI: 1 << 4,
  THRE: 1 << 5,
  TEMT: 1 << 6,
  FIFO_ERROR: 1 << 7,
} as const;

/** Modem status. [16550D] MSR */
export const MSR = {
  DCTS: 1 << 0,
  DDSR: 1 << 1,
  TERI: 1 << 2,
  DDCD: 1 << 3,
  CTS: 1 << 4,
  DSR: 1 << 5,
  RI: 1 << 6,
  DCD: 1 << 7,
} as const;

/** Bytes in each FIFO. */
export const UART_FIFO_SIZE = 16;

/** Receive trigger levels by FCR bits 7:6. [16550D] FCR */
const TRIGGER_LEVELS = [1, 4, 8, 14] as const;
/** The PC's baud clock over the sixteen clocks of a bit: bits a second at divisor 1. [PCAT] */
const BASE_BAUD = 115_200;
/** Character times of silence before the time-out. [16550D] FIFO interrupt mode */
const TIMEOUT_CHARACTERS = 4;
/** Reads of LSR that are no longer those of a driver that waits to send: the transmitter is always ready. */
const POLLS_FOR_INPUT = 8;
/** The bits that travel with a received character. */
const CHARACTER_ERRORS = LSR.PE | LSR.FE | LSR.BI;
const FCR_KEPT = FCR.ENABLE | FCR.DMA_MODE | FCR.TRIGGER;
/** A terminal that is there and ready. */
const INPUTS_DEFAULT = MSR.CTS | MSR.DSR | MSR.DCD;

/** What the board hands to a port. */
export interface UartOptions {
  readonly id: string;
  readonly clock: Clock;
  readonly irq: Line;
  /** Takes each byte sent. */
  readonly output: (byte: number) => void;
  /**
   * Called when the receiver has been emptied after {@linkcode Uart16550.receive} refused bytes; may call `receive`.
   */
  readonly ready?: () => void;
  /**
   * Input is refused until the guest looks for it: with its interrupt connected and enabled, or by reading LSR again and
   * again. For input that was there before the guest was, which its driver would throw away when it starts.
   */
  readonly holdInput?: boolean;
  /**
   * Takes back bytes that the guest cleared out of the receiver before it could know of them: Linux 6.1 switches the FIFOs
   * on after the interrupt. Offer them again first. Absent: they are lost, as on a line.
   */
  readonly returned?: (bytes: readonly number[]) => void;
}

/** What is saved as it is. */
type LiveState = Omit<UartState, "timeoutNs">;

/** One serial port. */
export class Uart16550 implements Device<UartState> {
  readonly id: string;
  readonly window: Window = {
    length: 8,
    unit: 1,
    read: (offset) => this.#read(offset),
    write: (offset, _width, value) => this.#write(offset, value),
  };
  readonly #irq: Line;
  readonly #output: (byte: number) => void;
  readonly #ready: () => void;
  readonly #clock: Clock;
  readonly #timeout: Timer;
  #state: LiveState = initial();
  /** When the character time-out will strike, null when it is not counting. */
  #timeoutAt: number | null = null;
  /** The time of this operation, undefined before it has looked at the clock. */
  #seen: number | undefined;
  readonly #holdInput: boolean;
  readonly #returned: ((bytes: readonly number[]) => void) | undefined;
  /** The owner holds bytes that did not fit. */
  #refused = false;

  constructor(options: UartOptions) {
    this.id = options.id;
    this.#irq = options.irq;
    this.#output = options.output;
    this.#holdInput = options.holdInput ?? false;
    this.#returned = options.returned;
    this.#ready = options.ready ?? (() => {});
    this.#clock = options.clock;
    this.#timeout = options.clock.timer(() => this.#strike());
    this.#sync();
  }

  /**
   * Takes bytes from the far end while there is room.
   * @returns how many were taken; `ready` is called when it is worth offering the rest again. None is taken in loopback,
   * where the input pin leads nowhere.
   */
  receive(bytes: ArrayLike<number>): number {
    this.#begin();
    let taken = 0;
    if ((this.#state.mcr & MCR.LOOP) === 0 && this.#listens()) {
      while (taken < bytes.length && this.#state.received.length < this.#capacity()) {
        this.#arrive(bytes[taken++]! & 0xff);
        this.#state.unseen++;
      }
    }
    if (taken < bytes.length) this.#refused = true;
    this.#sync();
    return taken;
  }

  /** The line was held in the break condition: a zero character with BI set arrives. [16550D] LSR */
  receiveBreak(): void {
    this.#begin();
    if ((this.#state.mcr & MCR.LOOP) === 0) this.#arrive(LSR.BI << 8);
    this.#sync();
  }

  /** Drives the modem input pins: any of MSR.CTS, DSR, RI and DCD. */
  setModemInputs(pins: number): void {
    const before = this.#modemPins();
    this.#state.inputs = pins & 0xf0;
    this.#noteModemChange(before);
    this.#sync();
  }

  /** Characters waiting for the guest to read them. */
  get waiting(): number {
    return this.#state.received.length;
  }

  reset(): void {
    this.#state = { ...initial(), inputs: this.#state.inputs };
    this.#timeoutAt = null;
    this.#sync();
    this.#offer();
  }

  save(): UartState {
    this.#begin();
    const left = this.#timeoutAt === null ? null : this.#timeoutAt - this.#now();
    return { ...structuredClone(this.#state), timeoutNs: left };
  }

  load(state: UartState): void {
    const { timeoutNs, ...rest } = structuredClone(state);
    this.#state = rest;
    this.#seen = undefined;
    this.#timeoutAt = timeoutNs === null ? null : this.#now() + timeoutNs;
    this.#refused = false;
    this.#sync();
  }

  #read(offset: number): number {
    this.#begin();
    const state = this.#state;
    const latch = (state.lcr & LCR.DLAB) !== 0;
    switch (offset) {
      case UART_REG.RBR:
        return latch ? state.dll : this.#readReceived();
      case UART_REG.IER:
        return latch ? state.dlm : state.ier;
      case UART_REG.IIR:
        return this.#readInterrupt();
      case UART_REG.LCR:
        return state.lcr;
      case UART_REG.MCR:
        return state.mcr;
      case UART_REG.LSR:
        return this.#readLineStatus();
      case UART_REG.MSR:
        return this.#readModemStatus();
      default:
        return state.scr;
    }
  }

  #write(offset: number, value: number): void {
    this.#begin();
    const state = this.#state;
    const latch = (state.lcr & LCR.DLAB) !== 0;
    switch (offset) {
      case UART_REG.THR:
        if (latch) state.dll = value;
        else this.#send(value);
        break;
      case UART_REG.IER:
        if (latch) state.dlm = value;
        else this.#writeEnables(value & 0x0f);
        break;
      case UART_REG.FCR:
        this.#writeFifoControl(value);
        break;
      case UART_REG.LCR:
        state.lcr = value;
        break;
      case UART_REG.MCR: {
        const before = this.#modemPins();
        state.mcr = value & 0x1f;
        this.#noteModemChange(before);
        break;
      }
      case UART_REG.SCR:
        state.scr = value;
        break;
      default:
        // LSR and MSR are for reading; the datasheet keeps writes to them for factory tests.
        break;
    }
    this.#sync();
    this.#offer();
  }

  #readReceived(): number {
    const state = this.#state;
    state.unseen = 0;
    const entry = state.received.shift();
    if (entry !== undefined) {
      state.rbr = entry & 0xff;
      this.#reveal();
      this.#restartTimeout();
      this.#sync();
      this.#offer();
    }
    return state.rbr;
  }

  /** Reading IIR takes back the transmitter's interrupt, and only when it is the one reported. [16550D] IIR */
  #readInterrupt(): number {
    this.#state.unseen = 0;
    const due = this.#due();
    if (due === IIR.EMPTY) {
      this.#state.emptyPending = false;
      this.#sync();
    }
    return due | (this.#fifos() ? IIR.FIFOS : 0);
  }

  #readLineStatus(): number {
    const state = this.#state;
    this.#state.unseen = 0;
    const value = LSR.THRE | LSR.TEMT | state.errors |
      (state.received.length > 0 ? LSR.DR : 0) |
      (this.#fifos() && state.received.some((entry) => entry > 0xff) ? LSR.FIFO_ERROR : 0);
    state.errors = 0;
    if (state.received.length > 0) state.received[0] = state.received[0]! & 0xff;
    else if (state.idlePolls < POLLS_FOR_INPUT && ++state.idlePolls === POLLS_FOR_INPUT) this.#offer();
    this.#sync();
    return value;
  }

  #readModemStatus(): number {
    const value = this.#modemPins() | this.#state.deltas;
    this.#state.deltas = 0;
    this.#sync();
    return value;
  }

  #send(byte: number): void {
    const state = this.#state;
    state.idlePolls = 0;
    if ((state.mcr & MCR.LOOP) === 0) this.#output(byte);
    else this.#arrive(byte & 0xff >>> 3 - field(state.lcr, LCR.WLS));
    state.emptyPending = true;
  }

  #writeEnables(value: number): void {
    const state = this.#state;
    // Enabling the interrupt while the transmitter is empty makes it due at once. Drivers count on it: Linux 8250 marks
    // a port where it does not happen as broken (UART_BUG_TXEN) and falls back to polling.
    if ((value & IER.ETBEI) === 0) state.emptyPending = false;
    else if ((state.ier & IER.ETBEI) === 0) state.emptyPending = true;
    state.ier = value;
  }

  /** Bit 0 must be set for the others to count; changing it empties both FIFOs. [16550D] FCR */
  #writeFifoControl(value: number): void {
    const state = this.#state;
    const enabled = (value & FCR.ENABLE) !== 0;
    const clear = enabled !== this.#fifos() || (enabled && (value & FCR.CLEAR_RECEIVED) !== 0);
    if (clear) this.#clearReceiver();
    state.fcr = enabled ? value & FCR_KEPT : 0;
    if (clear) this.#restartTimeout();
  }

  #clearReceiver(): void {
    const { received } = this.#state;
    const unseen = received.slice(received.length - Math.min(this.#state.unseen, received.length));
    this.#state.received = [];
    this.#state.unseen = 0;
    if (unseen.length === 0 || this.#returned === undefined) return;
    this.#refused = true;
    this.#returned(unseen.map((entry) => entry & 0xff));
  }

  /** A character, with its errors in bits 8 and up, comes out of the receiver's shift register. */
  #arrive(entry: number): void {
    const state = this.#state;
    if (state.received.length >= this.#capacity()) {
      state.errors |= LSR.OE;
      // Without FIFOs the new character takes the place of the unread one; with them it is the one lost. [16550D] LSR
      if (!this.#fifos()) {
        state.received = [entry];
        this.#reveal();
      }
      return;
    }
    state.received.push(entry);
    if (state.received.length === 1) this.#reveal();
    // A time-out that has struck stays until a character is read. [16550D] FIFO interrupt mode
    if (!state.timedOut) this.#restartTimeout();
  }

  /** The errors of a character show in LSR when it is the next to be read. [16550D] LSR */
  #reveal(): void {
    const top = this.#state.received[0];
    if (top !== undefined) this.#state.errors |= top >>> 8 & CHARACTER_ERRORS;
  }

  /** Silence counts from the last character that came or was read. [16550D] FIFO interrupt mode */
  #restartTimeout(): void {
    const state = this.#state;
    state.timedOut = false;
    this.#timeoutAt = this.#fifos() && state.received.length > 0
      ? this.#now() + TIMEOUT_CHARACTERS * this.#characterNs()
      : null;
  }

  #strike(): void {
    this.#state.timedOut = this.#state.received.length > 0;
    this.#timeoutAt = null;
    this.#sync();
  }

  /** Starts an operation: a time-out that is due strikes before it. */
  #begin(): void {
    this.#seen = undefined;
    if (this.#timeoutAt !== null && this.#now() >= this.#timeoutAt) this.#strike();
  }

  #now(): number {
    return this.#seen ??= Math.floor(this.#clock.now());
  }

  /** Start bit, data, parity and stop bits at the speed of the divisor. */
  #characterNs(): number {
    const { lcr, dll, dlm } = this.#state;
    const data = 5 + field(lcr, LCR.WLS);
    const stop = (lcr & LCR.STB) === 0 ? 1 : data === 5 ? 1.5 : 2;
    const length = 1 + data + ((lcr & LCR.PEN) === 0 ? 0 : 1) + stop;
    return Math.ceil(length * Math.max(1, dlm << 8 | dll) * NS_PER_S / BASE_BAUD);
  }

  /** The upper half of MSR; in loopback the four outputs. [16550D] MCR */
  #modemPins(): number {
    const { mcr, inputs } = this.#state;
    if ((mcr & MCR.LOOP) === 0) return inputs;
    return ((mcr & MCR.RTS) === 0 ? 0 : MSR.CTS) | ((mcr & MCR.DTR) === 0 ? 0 : MSR.DSR) |
      ((mcr & MCR.OUT1) === 0 ? 0 : MSR.RI) | ((mcr & MCR.OUT2) === 0 ? 0 : MSR.DCD);
  }

  /** Any change of CTS, DSR and DCD is noted; of RI only its end. [16550D] MSR */
  #noteModemChange(before: number): void {
    const changed = before ^ this.#modemPins();
    const ended = changed & before;
    this.#state.deltas |= (changed >>> 4 & (MSR.DCTS | MSR.DDSR | MSR.DDCD)) | (ended >>> 4 & MSR.TERI);
  }

  #fifos(): boolean {
    return (this.#state.fcr & FCR.ENABLE) !== 0;
  }

  /** The guest would see a byte that arrives now. */
  #listens(): boolean {
    const { ier, mcr, idlePolls } = this.#state;
    return !this.#holdInput || idlePolls >= POLLS_FOR_INPUT ||
      (ier & IER.ERBFI) !== 0 && (mcr & MCR.OUT2) !== 0;
  }

  #capacity(): number {
    return this.#fifos() ? UART_FIFO_SIZE : 1;
  }

  /** The interrupt of the highest priority that is enabled and due. [16550D] interrupt control functions */
  #due(): number {
    const { ier, errors, received, fcr, timedOut, emptyPending, deltas } = this.#state;
    const level = this.#fifos() ? TRIGGER_LEVELS[field(fcr, FCR.TRIGGER)]! : 1;
    if ((ier & IER.ELSI) !== 0 && errors !== 0) return IIR.LINE_STATUS;
    if ((ier & IER.ERBFI) !== 0 && received.length >= level) return IIR.RECEIVED;
    if ((ier & IER.ERBFI) !== 0 && timedOut) return IIR.TIMEOUT;
    if ((ier & IER.ETBEI) !== 0 && emptyPending) return IIR.EMPTY;
    if ((ier & IER.EDSSI) !== 0 && deltas !== 0) return IIR.MODEM_STATUS;
    return IIR.NONE;
  }

  #offer(): void {
    const { received, mcr } = this.#state;
    if (!this.#refused || received.length > 0 || (mcr & MCR.LOOP) !== 0 || !this.#listens()) return;
    this.#refused = false;
    this.#ready();
  }

  #sync(): void {
    if (this.#timeoutAt === null) this.#timeout.cancel();
    else this.#timeout.arm(this.#timeoutAt);
    const gate = (this.#state.mcr & (MCR.OUT2 | MCR.LOOP)) === MCR.OUT2;
    this.#irq.set(gate && this.#due() !== IIR.NONE);
  }
}

/** After master reset. [16550D] reset configuration */
function initial(): LiveState {
  return {
    ier: 0,
    fcr: 0,
    lcr: 0,
    mcr: 0,
    scr: 0,
    dll: 0,
    dlm: 0,
    rbr: 0,
    received: [],
    errors: 0,
    inputs: INPUTS_DEFAULT,
    deltas: 0,
    emptyPending: false,
    timedOut: false,
    idlePolls: 0,
    unseen: 0,
  };
}
