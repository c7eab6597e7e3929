/**
 * Intel 82371SB (PIIX3), function 0: the PCI to ISA bridge, with interrupt steering and the reset control register.
 *
 * The other parts of the chip (interrupt and DMA controllers, timer, IDE) are devices of their own. The registers that
 * tune the ISA bus, steer motherboard interrupts or cause SMIs keep what is written and do nothing: there is no ISA bus
 * behind them.
 *
 * Sources: [PIIX3] Intel 290550-002 (82371FB/SB): configuration registers, RC register, interrupt steering.
 * @module
 */

import type { Line } from "../../hvm/base/line.ts";
import type { Device, Window } from "../../hvm/io/device.ts";
import { ConfigSpace } from "./config.ts";
import { PirqRouter, PIRQS } from "./pirq.ts";
import type { Piix3State } from "./piix3_state.ts";
import { CLASS, PCI_COMMAND, PCI_STATUS } from "./regs.ts";
import type { RegisterRow } from "./register_file.ts";

/** Configuration registers. [PIIX3] configuration registers */
export const PIIX3_REG = {
  IORT: 0x4c,
  XBCS: 0x4e,
  PIRQRCA: 0x60,
  TOM: 0x69,
  MSTAT: 0x6a,
  MBIRQ0: 0x70,
  MBDMA0: 0x76,
  PCSC: 0x78,
  APICBASE: 0x80,
  DLC: 0x82,
  SMICNTL: 0xa0,
  SMIEN: 0xa2,
  SEE: 0xa4,
  FTMR: 0xa8,
  SMIREQ: 0xaa,
  CTLTMR: 0xac,
  CTHTMR: 0xae,
} as const;

/** Reset control register, port CF9h. [PIIX3] RC */
export const RC = {
  /** The reset to come is that of the whole system rather than of the CPU. */
  SYSTEM: 1 << 1,
  /** Going from 0 to 1 starts it. */
  RESET_CPU: 1 << 2,
} as const;

const ROWS: readonly RegisterRow[] = [
  { at: PIIX3_REG.IORT, reset: 0x4d, writable: 0x7f },
  { at: PIIX3_REG.XBCS, width: 2, reset: 0x0003, writable: 0x01ff },
  ...Array.from({ length: PIRQS }, (_, i) => ({ at: PIIX3_REG.PIRQRCA + i, reset: 0x80, writable: 0x8f })),
  { at: PIIX3_REG.TOM, reset: 0x02, writable: 0xfa },
  { at: PIIX3_REG.MSTAT, width: 2, reset: 0x0000, writable: 0x0080, clearable: 0x8000 },
  { at: PIIX3_REG.MBIRQ0, reset: 0x80, writable: 0xef },
  { at: PIIX3_REG.MBDMA0, reset: 0x0c, writable: 0x8f },
  { at: PIIX3_REG.MBDMA0 + 1, reset: 0x0c, writable: 0x8f },
  { at: PIIX3_REG.PCSC, width: 2, reset: 0x0002, writable: 0xffff },
  { at: PIIX3_REG.APICBASE, reset: 0x00, writable: 0x7f },
  { at: PIIX3_REG.DLC, reset: 0x00, writable: 0x0f },
  { at: PIIX3_REG.SMICNTL, reset: 0x08, writable: 0x1f },
  { at: PIIX3_REG.SMIEN, width: 2, reset: 0x0000, writable: 0x01ff },
  { at: PIIX3_REG.SEE, width: 4, reset: 0x00000000, writable: 0xf000ffff },
  { at: PIIX3_REG.FTMR, reset: 0x0f, writable: 0xff },
  { at: PIIX3_REG.SMIREQ, width: 2, reset: 0x0000, clearable: 0x01ff },
  { at: PIIX3_REG.CTLTMR, reset: 0x00, writable: 0xff },
  { at: PIIX3_REG.CTHTMR, reset: 0x00, writable: 0xff },
];

/** The ISA bridge. */
export class Piix3 implements Device<Piix3State> {
  readonly id: string;
  readonly config: ConfigSpace;
  /** Where PCI functions get the lines of their interrupt pins. */
  readonly pirq: PirqRouter;
  /** The reset control register, one byte; it belongs to CF9h, within the configuration ports. */
  readonly resetControl: Window = {
    length: 1,
    unit: 1,
    read: () => this.#rc,
    write: (_offset, _width, value) => this.#writeResetControl(value & (RC.SYSTEM | RC.RESET_CPU)),
  };
  readonly #reset: (system: boolean) => void;
  #rc = 0;

  /**
   * @param options.isaIrq gives the line of an ISA interrupt that a PIRQ may be routed to.
   * @param options.reset asks for a reset: of the whole system, or of the CPU alone.
   */
  constructor(options: { id: string; isaIrq: (irq: number) => Line; reset: (system: boolean) => void }) {
    this.id = options.id;
    this.#reset = options.reset;
    this.pirq = new PirqRouter(options.isaIrq);
    this.config = new ConfigSpace(
      {
        vendor: 0x8086,
        device: 0x7000,
        classCode: CLASS.ISA_BRIDGE,
        command: PCI_COMMAND.IO_SPACE | PCI_COMMAND.MEMORY_SPACE | PCI_COMMAND.BUS_MASTER,
        commandWritable: PCI_COMMAND.SPECIAL_CYCLES | PCI_COMMAND.SERR,
        status: PCI_STATUS.DEVSEL_MEDIUM,
      },
      ROWS,
      { written: () => this.#sync() },
    );
    this.#sync();
  }

  reset(): void {
    this.config.reset();
    this.#rc = 0;
    this.#sync();
  }

  save(): Piix3State {
    return { config: this.config.save(), rc: this.#rc };
  }

  load(state: Piix3State): void {
    this.config.load(state.config);
    this.#rc = state.rc;
    this.#sync();
  }

  #writeResetControl(value: number): void {
    const rises = value & ~this.#rc;
    this.#rc = value;
    if ((rises & RC.RESET_CPU) !== 0) this.#reset((value & RC.SYSTEM) !== 0);
  }

  #sync(): void {
    const { registers } = this.config;
    this.pirq.setRoutes(Array.from({ length: PIRQS }, (_, i) => registers.get(PIIX3_REG.PIRQRCA + i)));
  }
}
