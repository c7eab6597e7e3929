/**
 * What the states of the PC board's chips must look like: a schema for each id.
 *
 * For the main thread only: schemas load zod, which a processor's worker never does. A snapshot is checked here before
 * any of it goes to the thread that owns the chips.
 * @module
 */

import { IOAPIC_STATE } from "../../devices/irq/ioapic_state.ts";
import { LAPIC_STATE } from "../../devices/irq/lapic_state.ts";
import { PIC_STATE } from "../../devices/irq/pic8259_state.ts";
import { DEBUGCON_STATE } from "../../devices/misc/debugcon_state.ts";
import { EXIT_PORT_STATE } from "../../devices/misc/exit_port_state.ts";
import { FW_CFG_STATE } from "../../devices/misc/fw_cfg_state.ts";
import { I8042_STATE } from "../../devices/misc/i8042_state.ts";
import { PORT92_STATE } from "../../devices/misc/port92_state.ts";
import { POST_CODE_STATE } from "../../devices/misc/post_code_state.ts";
import { PVPANIC_STATE } from "../../devices/misc/pvpanic_state.ts";
import { CONFIG_PORTS_STATE } from "../../devices/pci/config_ports_state.ts";
import { CONFIG_ONLY_STATE } from "../../devices/pci/config_state.ts";
import { PIIX3_STATE } from "../../devices/pci/piix3_state.ts";
import { PIIX4_PM_STATE } from "../../devices/pci/piix4_pm_state.ts";
import { UART_STATE } from "../../devices/serial/uart16550_state.ts";
import { PIT_STATE } from "../../devices/timer/pit8254_state.ts";
import { RTC_STATE } from "../../devices/timer/rtc_state.ts";
import type { Device } from "../io/device.ts";
import type { Section, StateSchema } from "../io/snapshot.ts";

const BY_ID: ReadonlyMap<string, StateSchema<unknown>> = new Map<string, StateSchema<unknown>>([
  ["pic", PIC_STATE],
  ["ioapic", IOAPIC_STATE],
  ["rtc", RTC_STATE],
  ["pit", PIT_STATE],
  ["com1", UART_STATE],
  ["com2", UART_STATE],
  ["com3", UART_STATE],
  ["com4", UART_STATE],
  ["i8042", I8042_STATE],
  ["port92", PORT92_STATE],
  ["post", POST_CODE_STATE],
  ["debugcon", DEBUGCON_STATE],
  ["debugcon-402", DEBUGCON_STATE],
  ["exit", EXIT_PORT_STATE],
  ["command-status", EXIT_PORT_STATE],
  ["fw-cfg", FW_CFG_STATE],
  ["pvpanic", PVPANIC_STATE],
  ["i440fx", CONFIG_ONLY_STATE],
  ["piix3", PIIX3_STATE],
  ["piix4-pm", PIIX4_PM_STATE],
  ["pci-config", CONFIG_PORTS_STATE],
]);

/** The local APICs, one a processor. */
const LAPIC_ID = /^lapic\d+$/;

/** The schema of the state of the chip with this id, undefined when the board has no such chip. */
export function stateSchema(id: string): StateSchema<unknown> | undefined {
  return LAPIC_ID.test(id) ? LAPIC_STATE : BY_ID.get(id);
}

/**
 * Chips with their schemas, for `loadAll`.
 * @throws {RangeError} for a chip without one, or with the id of another: a mistake of ours.
 */
export function sectionsOf(devices: readonly Device[]): Section[] {
  const ids = new Set<string>();
  return devices.map((device) => {
    const schema = stateSchema(device.id);
    if (schema === undefined) {
      throw new RangeError(`Cannot check the state of ${device.id}: it has no schema`);
    }
    if (ids.has(device.id)) throw new RangeError(`Cannot tell two devices apart: both are ${device.id}`);
    ids.add(device.id);
    return { device, schema };
  });
}
