/**
 * All guest programs.
 * @module
 */

import type { GuestProgram } from "./guest.ts";
import { BOOT_PROGRAMS } from "./boot.ts";
import { CPU_PROGRAMS } from "./cpu.ts";
import { HALT_PROGRAMS } from "./halt.ts";
import { IOAPIC_PROGRAMS } from "./ioapic.ts";
import { LAPIC_PROGRAMS } from "./lapic.ts";
import { MMIO_PROGRAMS } from "./mmio.ts";
import { PIC_PROGRAMS } from "./pic.ts";
import { PIT_PROGRAMS } from "./pit.ts";
import { PLATFORM_PROGRAMS } from "./platform.ts";
import { PORT_PROGRAMS } from "./ports.ts";
import { POWER_PROGRAMS } from "./power.ts";
import { RARE_PROGRAMS } from "./rare.ts";
import { REAL_PROGRAMS } from "./real.ts";
import { RTC_PROGRAMS } from "./rtc.ts";
import { STRING_PROGRAMS } from "./string_io.ts";

/** Every program, in the order they are run. */
export const GUEST_PROGRAMS: readonly GuestProgram[] = [
  ...PORT_PROGRAMS,
  ...MMIO_PROGRAMS,
  ...STRING_PROGRAMS,
  ...PIC_PROGRAMS,
  ...PIT_PROGRAMS,
  ...RTC_PROGRAMS,
  ...LAPIC_PROGRAMS,
  ...IOAPIC_PROGRAMS,
  ...HALT_PROGRAMS,
  ...POWER_PROGRAMS,
  ...PLATFORM_PROGRAMS,
  ...CPU_PROGRAMS,
  ...RARE_PROGRAMS,
  ...BOOT_PROGRAMS,
  ...REAL_PROGRAMS,
];
