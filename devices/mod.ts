/**
 * The chips a board can be built from.
 *
 * State schemas are not here: each is in the chip's `x_state.ts`, which only the main thread loads.
 * @module
 */

export { Uart16550, type UartOptions } from "./serial/uart16550.ts";
export { IoApic, type IoApicOptions, type Redirection } from "./irq/ioapic.ts";
export { Lapic, type LapicOptions } from "./irq/lapic.ts";
export { ApicBus, type ApicTarget, type IpiMessage } from "./irq/lapic_ipi.ts";
export { type BesidePage, lapicFromPage, lapicToPage, type PageFormat } from "./irq/lapic_page.ts";
export type { TscPort } from "./irq/lapic_timer.ts";
export { acceptMessage, type ApicMessage, LAPIC_WORDS, matchesDestination } from "./irq/lapic_words.ts";
export { Pic8259, type PicOptions } from "./irq/pic8259.ts";
export { Pit8254, type PitOptions } from "./timer/pit8254.ts";
export { Rtc, type RtcOptions } from "./timer/rtc.ts";
export { PmTimer } from "./timer/pm_timer.ts";
export { DebugConsole } from "./misc/debugcon.ts";
export { ExitPort } from "./misc/exit_port.ts";
export { FwCfg, type FwCfgItemOptions } from "./misc/fw_cfg.ts";
export { FW_CFG_KEY, fwCfgNumber, fwCfgText } from "./misc/fw_cfg_items.ts";
export { I8042, type I8042Options } from "./misc/i8042.ts";
export { Port92 } from "./misc/port92.ts";
export { PostCode } from "./misc/post_code.ts";
export { PvPanic, type PvPanicEvent } from "./misc/pvpanic.ts";
export { Bar, type BarKind, type BarOptions } from "./pci/bar.ts";
export { type ConfigHeader, ConfigSpace } from "./pci/config.ts";
export { ConfigPorts } from "./pci/config_ports.ts";
export { I440fx, type I440fxOptions, type ShadowSegment } from "./pci/i440fx.ts";
export { Msi } from "./pci/msi.ts";
export { type MsiSender, Msix, type MsixOptions } from "./pci/msix.ts";
export { Piix3 } from "./pci/piix3.ts";
export { Piix4Pm, type Piix4PmOptions } from "./pci/piix4_pm.ts";
export { pirqOfPin, PirqRouter } from "./pci/pirq.ts";
export { type Place, Placements } from "./pci/placement.ts";
export { RegisterFile, type RegisterRow } from "./pci/register_file.ts";
export { PciRoot } from "./pci/root.ts";
