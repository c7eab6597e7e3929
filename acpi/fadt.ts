/**
 * The fixed ACPI description table: fixed hardware, reset register, and what of a PC's legacy is there.
 *
 * Sources: [ACPI] Advanced Configuration and Power Interface Specification 6.5, 5.2.9 (table 5.9), 5.2.9.3 (boot
 * architecture flags), 5.2.9 table 5.10 (fixed feature flags).
 * @module
 */

import { bytes, struct, u16, u32, u64, u8 } from "../hvm/base/layout.ts";
import type { BoardResources, FixedHardware } from "../hvm/io/resources.ts";
import { ACCESS_SIZE, ADDRESS_SPACE, GENERIC_ADDRESS, type GenericAddress, sdt, SDT_HEADER } from "./sdt.ts";

/** The table behind its header, with the names of the specification. [ACPI] table 5.9 */
const FADT = struct("FADT", {
  firmwareCtrl: u32,
  dsdt: u32,
  reserved0: u8,
  preferredPmProfile: u8,
  sciInt: u16,
  smiCmd: u32,
  acpiEnable: u8,
  acpiDisable: u8,
  s4BiosReq: u8,
  pstateCnt: u8,
  pm1aEvtBlk: u32,
  pm1bEvtBlk: u32,
  pm1aCntBlk: u32,
  pm1bCntBlk: u32,
  pm2CntBlk: u32,
  pmTmrBlk: u32,
  gpe0Blk: u32,
  gpe1Blk: u32,
  pm1EvtLen: u8,
  pm1CntLen: u8,
  pm2CntLen: u8,
  pmTmrLen: u8,
  gpe0BlkLen: u8,
  gpe1BlkLen: u8,
  gpe1Base: u8,
  cstCnt: u8,
  pLvl2Lat: u16,
  pLvl3Lat: u16,
  flushSize: u16,
  flushStride: u16,
  dutyOffset: u8,
  dutyWidth: u8,
  dayAlrm: u8,
  monAlrm: u8,
  century: u8,
  iapcBootArch: u16,
  reserved1: u8,
  flags: u32,
  resetReg: GENERIC_ADDRESS,
  resetValue: u8,
  armBootArch: u16,
  minorVersion: u8,
  xFirmwareCtrl: u64,
  xDsdt: u64,
  xPm1aEvtBlk: GENERIC_ADDRESS,
  xPm1bEvtBlk: GENERIC_ADDRESS,
  xPm1aCntBlk: GENERIC_ADDRESS,
  xPm1bCntBlk: GENERIC_ADDRESS,
  xPm2CntBlk: GENERIC_ADDRESS,
  xPmTmrBlk: GENERIC_ADDRESS,
  xGpe0Blk: GENERIC_ADDRESS,
  xGpe1Blk: GENERIC_ADDRESS,
  sleepControlReg: GENERIC_ADDRESS,
  sleepStatusReg: GENERIC_ADDRESS,
  hypervisorVendor: bytes(8),
}, { packed: true, size: 276 - SDT_HEADER.size });

/** Version 6.5 in major (the table's revision) and minor. */
const REVISION = { MAJOR: 6, MINOR: 5 } as const;

/** Fixed feature flags. [ACPI] table 5.10 */
export const FADT_FLAGS = {
  WBINVD: 1 << 0,
  PROC_C1: 1 << 2,
  /** The power button is a device of the namespace, or there is none. */
  PWR_BUTTON: 1 << 4,
  /** The sleep button is a device of the namespace, or there is none. */
  SLP_BUTTON: 1 << 5,
  RESET_REG_SUP: 1 << 10,
  HW_REDUCED_ACPI: 1 << 20,
} as const;

/** IA-PC boot architecture flags. [ACPI] table 5.11 */
export const BOOT_ARCH = {
  LEGACY_DEVICES: 1 << 0,
  I8042: 1 << 1,
  VGA_NOT_PRESENT: 1 << 2,
  MSI_NOT_SUPPORTED: 1 << 3,
  CMOS_RTC_NOT_PRESENT: 1 << 5,
} as const;

/** Latencies, in microseconds, that say there is no C2 and no C3 state. [ACPI] table 5.9, P_LVL2_LAT and P_LVL3_LAT */
const NO_C2 = 101;
const NO_C3 = 1001;

/** Lengths of the register blocks. [ACPI] 4.8.3 */
const BLOCK_LENGTH = { PM1_EVENT: 4, PM1_CONTROL: 2, PM_TIMER: 4 } as const;

/**
 * The whole table.
 * @param at the addresses of the tables it points to, below 4 GiB
 */
export function fadt(board: BoardResources, at: { facs: number; dsdt: number }): Uint8Array<ArrayBuffer> {
  const body = FADT.encode({
    firmwareCtrl: at.facs,
    dsdt: at.dsdt,
    // The FACS is below 4 GiB, so the wide field stays zero; the DSDT is given by both.
    xDsdt: BigInt(at.dsdt),
    minorVersion: REVISION.MINOR,
    pLvl2Lat: NO_C2,
    pLvl3Lat: NO_C3,
    century: board.rtcCentury ?? 0,
    iapcBootArch: bootArchitecture(board),
    flags: featureFlags(board),
    ...(board.fixed === undefined ? {} : fixedHardware(board.fixed)),
  });
  return sdt("FACP", REVISION.MAJOR, body);
}

/** The hardware-reduced flag goes with legacy hardware that is absent, and only then. */
function featureFlags({ fixed }: BoardResources): number {
  const always = FADT_FLAGS.WBINVD | FADT_FLAGS.PROC_C1 | FADT_FLAGS.SLP_BUTTON;
  return fixed === undefined
    ? always | FADT_FLAGS.PWR_BUTTON | FADT_FLAGS.HW_REDUCED_ACPI
    : always | FADT_FLAGS.RESET_REG_SUP;
}

function bootArchitecture(board: BoardResources): number {
  return (board.isa.length > 0 ? BOOT_ARCH.LEGACY_DEVICES : 0) |
    (board.hasI8042 ? BOOT_ARCH.I8042 : 0) |
    (board.hasVga ? 0 : BOOT_ARCH.VGA_NOT_PRESENT) |
    // A message is a write to a local APIC.
    (board.lapicBase === undefined ? BOOT_ARCH.MSI_NOT_SUPPORTED : 0) |
    (board.hasRtc ? 0 : BOOT_ARCH.CMOS_RTC_NOT_PRESENT);
}

function fixedHardware(fixed: FixedHardware): Partial<Parameters<typeof FADT.encode>[0]> {
  const hasGpe = fixed.gpe0Length > 0;
  return {
    sciInt: fixed.sciIrq,
    smiCmd: fixed.smiCommandPort,
    acpiEnable: fixed.acpiEnable,
    acpiDisable: fixed.acpiDisable,
    pm1aEvtBlk: fixed.pm1EventPort,
    pm1EvtLen: BLOCK_LENGTH.PM1_EVENT,
    xPm1aEvtBlk: ports(fixed.pm1EventPort, BLOCK_LENGTH.PM1_EVENT, ACCESS_SIZE.WORD),
    pm1aCntBlk: fixed.pm1ControlPort,
    pm1CntLen: BLOCK_LENGTH.PM1_CONTROL,
    xPm1aCntBlk: ports(fixed.pm1ControlPort, BLOCK_LENGTH.PM1_CONTROL, ACCESS_SIZE.WORD),
    pmTmrBlk: fixed.pmTimerPort,
    pmTmrLen: BLOCK_LENGTH.PM_TIMER,
    xPmTmrBlk: ports(fixed.pmTimerPort, BLOCK_LENGTH.PM_TIMER, ACCESS_SIZE.DWORD),
    ...(hasGpe
      ? {
        gpe0Blk: fixed.gpe0Port,
        gpe0BlkLen: fixed.gpe0Length,
        xGpe0Blk: ports(fixed.gpe0Port, fixed.gpe0Length, ACCESS_SIZE.BYTE),
      }
      : {}),
    resetReg: ports(fixed.resetPort, 1, ACCESS_SIZE.BYTE),
    resetValue: fixed.resetValue,
  };
}

function ports(base: number, length: number, accessSize: number): GenericAddress {
  return {
    space: ADDRESS_SPACE.SYSTEM_IO,
    bitWidth: 8 * length,
    bitOffset: 0,
    accessSize,
    address: BigInt(base),
  };
}
