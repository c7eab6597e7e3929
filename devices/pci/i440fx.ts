/**
 * Intel 82441FX (PMC) of the 440FX: the host bridge, with the attribute map that turns 768 KiB to 1 MiB into shadow
 * memory, and the gate of SMM memory.
 *
 * Memory size and timing registers keep what is written: memory here needs no tuning.
 *
 * Sources: [82441FX] Intel 290549-001, register description.
 * Deviates: the address hole of FDHC is kept and not made; there is no SMM, so SMRAM only tells whether the memory
 * under A0000h would be open.
 * @module
 */

import type { Device } from "../../hvm/io/device.ts";
import { ConfigSpace } from "./config.ts";
import type { ConfigOnlyState } from "./config_state.ts";
import { CLASS, PCI_COMMAND, PCI_REG, PCI_STATUS } from "./regs.ts";
import type { RegisterRow } from "./register_file.ts";

/** Configuration registers. [82441FX] register description */
export const I440FX_REG = {
  PMCCFG: 0x50,
  DETURBO: 0x52,
  DBC: 0x53,
  AXC: 0x54,
  DRT: 0x55,
  DRAMC: 0x57,
  DRAMT: 0x58,
  PAM0: 0x59,
  DRB0: 0x60,
  FDHC: 0x68,
  MTT: 0x70,
  CLT: 0x71,
  SMRAM: 0x72,
  ERRCMD: 0x90,
  ERRSTS: 0x91,
  TRC: 0x93,
} as const;

/** One half of a PAM register: where accesses go, memory (1) or the PCI bus (0). [82441FX] PAM */
export const PAM = { READ: 1 << 0, WRITE: 1 << 1, BOTH: 0x3 } as const;

/** SMRAM control. [82441FX] SMRAM */
export const SMRAM = {
  BASE: 0x07,
  ENABLE: 1 << 3,
  LOCK: 1 << 4,
  CLOSED: 1 << 5,
  OPEN: 1 << 6,
} as const;

const SMRAM_WRITABLE = SMRAM.ENABLE | SMRAM.LOCK | SMRAM.CLOSED | SMRAM.OPEN;

/** Turbo and reset control. [82441FX] TRC */
export const TRC = { HARD_RESET: 1 << 1, RESET_CPU: 1 << 2 } as const;

/** A piece of the first megabyte with attributes of its own. */
export interface ShadowSegment {
  readonly base: number;
  readonly length: number;
  /** The half of the PAM register, counted from PAM0's lower half. */
  readonly half: number;
}

/** The thirteen segments: F0000h (64 KiB), then twelve of 16 KiB from C0000h. [82441FX] PAM */
export const SHADOW_SEGMENTS: readonly ShadowSegment[] = [
  { base: 0xf0000, length: 0x10000, half: 1 },
  ...Array.from({ length: 12 }, (_, i) => ({ base: 0xc0000 + i * 0x4000, length: 0x4000, half: 2 + i })),
];

const ROWS: readonly RegisterRow[] = [
  { at: PCI_REG.LATENCY_TIMER, writable: 0xf8 },
  { at: PCI_REG.BIST, reset: 0x00 },
  { at: I440FX_REG.PMCCFG, width: 2, reset: 0x0000, writable: 0xffff },
  { at: I440FX_REG.DETURBO, reset: 0x00, writable: 0xff },
  { at: I440FX_REG.DBC, reset: 0x83, writable: 0xff },
  { at: I440FX_REG.AXC, reset: 0x00, writable: 0xff },
  { at: I440FX_REG.DRT, width: 2, reset: 0x0000, writable: 0xffff },
  { at: I440FX_REG.DRAMC, reset: 0x01, writable: 0xff },
  { at: I440FX_REG.DRAMT, reset: 0x10, writable: 0xff },
  // The lower half of PAM0 is reserved, and so are bits 2 and 3 of every half.
  { at: I440FX_REG.PAM0, writable: 0x30 },
  ...Array.from({ length: 6 }, (_, i) => ({ at: I440FX_REG.PAM0 + 1 + i, writable: 0x33 })),
  ...Array.from({ length: 8 }, (_, i) => ({ at: I440FX_REG.DRB0 + i, reset: 0x01, writable: 0xff })),
  { at: I440FX_REG.FDHC, reset: 0x00, writable: 0xc0 },
  { at: I440FX_REG.MTT, reset: 0x20, writable: 0xf8 },
  { at: I440FX_REG.CLT, reset: 0x10, writable: 0xff },
  { at: I440FX_REG.SMRAM, reset: 0x02, writable: SMRAM_WRITABLE },
  { at: I440FX_REG.ERRCMD, reset: 0x00, writable: 0x8b },
  { at: I440FX_REG.ERRSTS, reset: 0x00, clearable: 0x11 },
  { at: I440FX_REG.TRC, reset: 0x00, writable: 0x0f },
];

/** What the board hands over. */
export interface I440fxOptions {
  readonly id: string;
  /**
   * Told when a segment's attributes change: whether reads and writes reach memory. Every segment starts with neither.
   */
  readonly shadow: (segment: ShadowSegment, attributes: { read: boolean; write: boolean }) => void;
  /** Told when SMM memory under A0000h opens or closes to ordinary code. */
  readonly smram?: (open: boolean) => void;
  /** Asks for a reset through the TRC register: of the whole system, or of the CPU alone. */
  readonly reset: (system: boolean) => void;
}

/** The host bridge. */
export class I440fx implements Device<ConfigOnlyState> {
  readonly id: string;
  readonly config: ConfigSpace;
  readonly #options: I440fxOptions;
  /** The attributes the board knows, by segment. */
  readonly #told = new Uint8Array(SHADOW_SEGMENTS.length);
  #toldOpen = false;
  /** TRC before the write at hand, for its edge. */
  #trc = 0;

  constructor(options: I440fxOptions) {
    this.id = options.id;
    this.#options = options;
    this.config = new ConfigSpace(
      {
        vendor: 0x8086,
        device: 0x1237,
        revision: 0x02,
        classCode: CLASS.HOST_BRIDGE,
        command: PCI_COMMAND.MEMORY_SPACE | PCI_COMMAND.BUS_MASTER,
        commandWritable: PCI_COMMAND.PARITY_RESPONSE | PCI_COMMAND.SERR,
        status: PCI_STATUS.DEVSEL_MEDIUM | PCI_STATUS.FAST_BACK_TO_BACK,
      },
      ROWS,
      { written: () => this.#written() },
    );
  }

  reset(): void {
    this.config.reset();
    this.#trc = 0;
    this.#sync();
  }

  save(): ConfigOnlyState {
    return { config: this.config.save() };
  }

  load(state: ConfigOnlyState): void {
    this.config.registers.setWritable(I440FX_REG.SMRAM, SMRAM_WRITABLE);
    this.config.load(state.config);
    this.#trc = this.config.registers.get(I440FX_REG.TRC);
    this.#sync();
  }

  #written(): void {
    this.#sync();
    const trc = this.config.registers.get(I440FX_REG.TRC);
    const rises = trc & ~this.#trc;
    this.#trc = trc;
    if ((rises & TRC.RESET_CPU) !== 0) this.#options.reset((trc & TRC.HARD_RESET) !== 0);
  }

  #sync(): void {
    const { registers } = this.config;
    for (const [index, segment] of SHADOW_SEGMENTS.entries()) {
      const attributes = registers.get(I440FX_REG.PAM0 + (segment.half >> 1)) >> (segment.half & 1) * 4 &
        PAM.BOTH;
      if (attributes === this.#told[index]) continue;
      this.#told[index] = attributes;
      this.#options.shadow(segment, {
        read: (attributes & PAM.READ) !== 0,
        write: (attributes & PAM.WRITE) !== 0,
      });
    }
    this.#syncSmram();
  }

  /** Once locked, SMM memory is closed for good and only CLOSED can be written, until reset. [82441FX] SMRAM */
  #syncSmram(): void {
    const { registers } = this.config;
    const value = registers.get(I440FX_REG.SMRAM);
    const locked = (value & SMRAM.LOCK) !== 0;
    const smram = locked ? value & ~SMRAM.OPEN : value;
    registers.set(I440FX_REG.SMRAM, 1, smram);
    registers.setWritable(I440FX_REG.SMRAM, locked ? SMRAM.CLOSED : SMRAM_WRITABLE);
    const open = (smram & (SMRAM.ENABLE | SMRAM.OPEN | SMRAM.CLOSED)) === (SMRAM.ENABLE | SMRAM.OPEN);
    if (open === this.#toldOpen) return;
    this.#toldOpen = open;
    this.#options.smram?.(open);
  }
}
