/**
 * The differentiated system description table: the namespace of what the board placed.
 *
 * ```text
 * \PICF, \_PIC            which interrupt controller the guest uses
 * \_S5                    the sleep type that powers off
 * \_SB.C000 ...           processors
 * \_SB.MBRD, \_SB.HPET    registers of the board itself
 * \_SB.LNKA to LNKD       the PIIX3's interrupt router
 * \_SB.PCI0               the host bridge
 * \_SB.PCI0.ISA           the ISA bridge, with every ISA device below it
 * ```
 *
 * Sources: [ACPI] 6.5, 5.2.11.1 (DSDT), 7.4.2 (\_Sx), 5.3 (namespace).
 * @module
 */

import { join } from "./_bytes.ts";
import { hpetDevice, isaDevice, motherboardResources, processorDevices } from "./_isa_devices.ts";
import { interruptModel, isaBridge, linkDevices, pciRoot } from "./_pci_device.ts";
import { integer, name, pack, scope, type Term } from "./aml.ts";
import { sdt } from "./sdt.ts";
import type { BoardResources } from "../hvm/io/resources.ts";

/** Revision 2 makes integers 64 bits wide. [ACPI] 5.2.11.1 */
const DSDT_REVISION = 2;

/** The whole table. */
export function dsdt(board: BoardResources): Uint8Array<ArrayBuffer> {
  return sdt("DSDT", DSDT_REVISION, join(...namespace(board)));
}

function namespace(board: BoardResources): Term[] {
  const isa = board.isa.map(isaDevice);
  const { pci, fixed } = board;
  return [
    ...(pci === undefined ? [] : interruptModel()),
    ...(fixed === undefined ? [] : [powerOff(fixed.s5SleepType)]),
    scope(
      "\\_SB",
      ...processorDevices(board),
      ...motherboardResources(board),
      ...hpetDevice(board),
      ...(pci === undefined ? isa : [...linkDevices(pci), pciRoot(board, pci, [isaBridge(pci, isa)])]),
    ),
  ];
}

/** SLP_TYPa and SLP_TYPb; there is no PM1b, and the last two are reserved. [ACPI] 7.4.2 */
function powerOff(sleepType: number): Term {
  return name("\\_S5", pack(integer(sleepType), integer(0), integer(0), integer(0)));
}
