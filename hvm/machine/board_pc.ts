/**
 * The PC board: an i440FX with PIIX3 and PIIX4 functions, the chips around them, and what wires one to the other.
 *
 * This is the one place that knows two devices at once. It also does the little a BIOS would have done before it starts
 * an operating system: places the power management block, routes the PCI interrupts, makes their inputs level-triggered.
 *
 * Sources: those of layout.ts; [PIIX3] Intel 290550-002, 3.7 (interrupt steering).
 * @module
 */

import { DebugConsole } from "../../devices/misc/debugcon.ts";
import { ExitPort } from "../../devices/misc/exit_port.ts";
import { FwCfg } from "../../devices/misc/fw_cfg.ts";
import { FW_CFG_KEY, fwCfgNumber, fwCfgText } from "../../devices/misc/fw_cfg_items.ts";
import { I8042 } from "../../devices/misc/i8042.ts";
import { Port92 } from "../../devices/misc/port92.ts";
import { PvPanic } from "../../devices/misc/pvpanic.ts";
import { PostCode } from "../../devices/misc/post_code.ts";
import { ConfigPorts } from "../../devices/pci/config_ports.ts";
import { I440fx } from "../../devices/pci/i440fx.ts";
import { Piix3, PIIX3_REG } from "../../devices/pci/piix3.ts";
import { PIIX4_REG, Piix4Pm, PMREGMISC } from "../../devices/pci/piix4_pm.ts";
import { type Place, Placements } from "../../devices/pci/placement.ts";
import { PCI_COMMAND, PCI_REG } from "../../devices/pci/regs.ts";
import { PciRoot } from "../../devices/pci/root.ts";
import { Uart16550, type UartOptions } from "../../devices/serial/uart16550.ts";
import { Pit8254 } from "../../devices/timer/pit8254.ts";
import { Rtc } from "../../devices/timer/rtc.ts";
import type { RtcState } from "../../devices/timer/rtc_state.ts";
import type { Clock } from "../base/clock.ts";
import { UNCONNECTED } from "../base/line.ts";
import type { GuestMemory } from "../base/memory.ts";
import type { Bus } from "../io/bus.ts";
import type { Device } from "../io/device.ts";
import type { Outcome, ResetCause } from "../vcpu/outcome.ts";
import type { InterruptFabric } from "./interrupts.ts";
import {
  type BoardShape,
  IRQ,
  PCI_SLOT,
  PIRQ_IRQ,
  PM_OFFSET,
  PORT,
  SERIAL_PORTS,
  SMI_COMMAND,
} from "./layout.ts";

/** What surrounds the board. */
export interface BoardOptions {
  readonly shape: BoardShape;
  readonly clock: Clock;
  readonly memory: GuestMemory;
  readonly commandLine: string;
  readonly ports: Bus;
  readonly memoryIo: Bus;
  readonly fabric: InterruptFabric;
  /** The engine has the interval timer and port 61h. */
  readonly kernelPit: boolean;
  /** The host's calendar at the clock's zero: milliseconds since 1970. */
  readonly epochMs: number;
  /** What the clock's battery kept over a reset of the machine; absent at power-on. */
  readonly battery?: RtcState;
  /** A byte of the first serial port. */
  readonly serialOutput: (byte: number) => void;
  /** The first serial port has room for input that it refused. */
  readonly serialReady: () => void;
  /** Input of the first serial port that comes before all other, since the guest threw it away unseen. */
  readonly serialReturned: (bytes: readonly number[]) => void;
  /** A byte of a debug console. */
  readonly debugOutput: (byte: number) => void;
  /** The guest is over, or wants to be. */
  readonly end: (outcome: Outcome) => void;
}

/** The chips of one machine. */
export class PcBoard {
  /** The first serial port. */
  readonly com1: Uart16550;
  readonly #rtc: Rtc;
  readonly power: Piix4Pm;
  /** All chips, in the order they are reset and saved. */
  readonly devices: readonly Device[];
  readonly #options: BoardOptions;
  readonly #root = new PciRoot();

  constructor(options: BoardOptions) {
    this.#options = options;
    const { fabric, clock, epochMs, battery } = options;
    this.#rtc = new Rtc({ clock, epochMs, irq: fabric.isaIrq(IRQ.RTC) });
    if (battery !== undefined) this.#rtc.loadBattery(battery);
    this.com1 = this.#serialPort(0, {
      output: options.serialOutput,
      ready: options.serialReady,
      returned: options.serialReturned,
      holdInput: true,
    });
    const bridges = this.#pci();
    this.power = bridges.power;
    this.devices = [
      ...fabric.devices,
      ...this.#timers(),
      this.com1,
      ...[1, 2, 3].map((index) => this.#serialPort(index, { output: () => {} })),
      ...this.#keyboard(),
      ...this.#ports(),
      ...this.#firmware(),
      ...bridges.devices,
    ];
    this.#initialise();
  }

  /** Power-on state, as an operating system finds it after the BIOS. */
  reset(): void {
    for (const device of this.devices) if (device !== this.#rtc) device.reset();
    this.#rtc.resetPin();
    this.#initialise();
  }

  /** What the clock's battery keeps: its time and the CMOS bytes. */
  battery(): RtcState {
    return this.#rtc.save();
  }

  #serialPort(index: number, far: Omit<UartOptions, "id" | "clock" | "irq">): Uart16550 {
    const { name, port, irq } = SERIAL_PORTS[index]!;
    const { clock, ports, fabric } = this.#options;
    const id = name.toLowerCase();
    const uart = new Uart16550({ id, clock, irq: fabric.isaIrq(irq), ...far });
    ports.attach(port, uart.window, id);
    return uart;
  }

  #timers(): Device[] {
    const { clock, ports, fabric, kernelPit } = this.#options;
    const rtc = this.#rtc;
    ports.attach(PORT.RTC, rtc.ports, "rtc");
    ports.attach(PORT.RTC + 2, rtc.extendedPorts, "rtc-extended");
    if (kernelPit) return [rtc];
    const pit = new Pit8254({ clock, out0: fabric.isaIrq(IRQ.PIT), nmi: fabric.nmi });
    ports.attach(PORT.PIT, pit.counters, "pit");
    ports.attach(PORT.SYSTEM_CONTROL_B, pit.port61, "system-control-b");
    return [rtc, pit];
  }

  /** The two ways to open the A20 gate and to reset the processor. The gate itself is always open: see the README. */
  #keyboard(): Device[] {
    const { ports, fabric } = this.#options;
    const i8042 = new I8042({
      id: "i8042",
      keyboardIrq: fabric.isaIrq(IRQ.KEYBOARD),
      auxIrq: fabric.isaIrq(IRQ.MOUSE),
      a20: UNCONNECTED,
      reset: () => this.#reset("keyboard-controller"),
    });
    ports.attach(PORT.I8042_DATA, i8042.data, "i8042");
    ports.attach(PORT.I8042_COMMAND, i8042.command, "i8042");
    const port92 = new Port92({ id: "port92", a20: UNCONNECTED, reset: () => this.#reset("port-92") });
    ports.attach(PORT.SYSTEM_CONTROL_A, port92.window, "system-control-a");
    return [i8042, port92];
  }

  #ports(): Device[] {
    const { ports, debugOutput, end } = this.#options;
    const post = new PostCode({ id: "post" });
    ports.attach(PORT.POST_CODE, post.window, "post");
    ports.attach(PORT.POST_CODE + 4, post.spare84, "page-latches");
    ports.attach(PORT.POST_CODE + 8, post.spare88, "page-latches");
    ports.attach(PORT.POST_CODE + 12, post.spare8c, "page-latches");
    const debug = new DebugConsole({ id: "debugcon", output: debugOutput });
    ports.attach(PORT.DEBUG_CONSOLE, debug.window, "debugcon");
    const firmware = new DebugConsole({ id: "debugcon-402", output: debugOutput });
    ports.attach(PORT.FIRMWARE_DEBUG, firmware.window, "debugcon-402");
    const exit = new ExitPort({ id: "exit", exit: (value) => end({ kind: "exit-port", value }) });
    ports.attach(PORT.TEST_EXIT, exit.window, "exit");
    const status = new ExitPort({
      id: "command-status",
      exit: (value) => end({ kind: "command", status: value & 0xff }),
      length: 1,
    });
    ports.attach(PORT.COMMAND_STATUS, status.window, "command-status");
    return [post, debug, firmware, exit, status];
  }

  /** What firmware and paravirtual drivers look for. */
  #firmware(): Device[] {
    const { ports, memory, shape, commandLine, end } = this.#options;
    const config = new FwCfg({ id: "fw-cfg", memory });
    config.add(FW_CFG_KEY.RAM_SIZE, fwCfgNumber(shape.memoryBytes, 8));
    config.add(FW_CFG_KEY.NO_GRAPHIC, fwCfgNumber(1, 2));
    config.add(FW_CFG_KEY.CPUS, fwCfgNumber(shape.cpus, 2));
    config.add(FW_CFG_KEY.MAX_CPUS, fwCfgNumber(shape.cpus, 2));
    const line = fwCfgText(commandLine);
    config.add(FW_CFG_KEY.COMMAND_LINE_SIZE, fwCfgNumber(line.length, 4));
    config.add(FW_CFG_KEY.COMMAND_LINE_DATA, line);
    ports.attach(PORT.FW_CFG, config.window, "fw-cfg");
    const panic = new PvPanic({
      id: "pvpanic",
      happened: (event) => {
        if (event === "panicked") end({ kind: "panic" });
        if (event === "shutdown") end({ kind: "poweroff" });
      },
    });
    ports.attach(PORT.PVPANIC, panic.window, "pvpanic");
    return [config, panic];
  }

  #pci(): { power: Piix4Pm; devices: Device[] } {
    const { clock, ports, fabric, end } = this.#options;
    const placements = new Placements(ports);
    const reset = () => this.#reset("reset-control");
    const host = new I440fx({ id: "i440fx", shadow: () => {}, reset });
    const isa = new Piix3({ id: "piix3", isaIrq: (irq) => fabric.isaIrq(irq), reset });
    // The block's window can be placed only once there is a chip whose window it is; reset takes it off the bus first.
    let place: Place = () => {};
    const power = new Piix4Pm({
      id: "piix4-pm",
      clock,
      sci: fabric.isaIrq(IRQ.SCI),
      powerOff: () => end({ kind: "poweroff" }),
      place: (base) => place(base),
      gpeOffset: PM_OFFSET.GPE0,
      acpiEnable: SMI_COMMAND.ACPI_ENABLE,
      acpiDisable: SMI_COMMAND.ACPI_DISABLE,
    });
    place = placements.slot(power.block, "piix4-pm");
    ports.attach(PORT.SMI_COMMAND, power.smiPorts, "smi-command");
    this.#root.add(PCI_SLOT.HOST_BRIDGE, host.config);
    this.#root.add(PCI_SLOT.ISA_BRIDGE, isa.config);
    this.#root.add(PCI_SLOT.POWER_MANAGEMENT, power.config);
    const config = new ConfigPorts({ id: "pci-config", root: this.#root, resetControl: isa.resetControl });
    ports.attach(PORT.PCI_CONFIG, config.window, "pci-config");
    return { power, devices: [host, isa, power, config] };
  }

  /** What a BIOS does to the chipset before it hands over. */
  #initialise(): void {
    this.#options.fabric.initialise();
    const write = (
      slot: { device: number; function: number },
      offset: number,
      width: 1 | 2 | 4,
      value: number,
    ) => this.#root.write(0, slot.device << 3 | slot.function, offset, width, value);
    PIRQ_IRQ.forEach((irq, pirq) => write(PCI_SLOT.ISA_BRIDGE, PIIX3_REG.PIRQRCA + pirq, 1, irq));
    write(PCI_SLOT.POWER_MANAGEMENT, PIIX4_REG.PMBASE, 4, PORT.PM_BASE);
    write(PCI_SLOT.POWER_MANAGEMENT, PIIX4_REG.PMREGMISC, 1, PMREGMISC.IO_ENABLE);
    write(PCI_SLOT.POWER_MANAGEMENT, PCI_REG.COMMAND, 2, PCI_COMMAND.IO_SPACE);
    write(PCI_SLOT.POWER_MANAGEMENT, PCI_REG.INTERRUPT_LINE, 1, IRQ.SCI);
    // Level-triggered: the SCI and the interrupts PCI is routed to. With KVM's own PIC the guest does this itself.
    const level = [IRQ.SCI, ...PIRQ_IRQ].reduce((bits, irq) => bits | 1 << irq, 0);
    if (!this.#options.kernelPit) this.#options.ports.write(PORT.ELCR, 2, level);
  }

  #reset(cause: ResetCause): void {
    this.#options.end({ kind: "reset", cause });
  }
}
