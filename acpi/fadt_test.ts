import assert from "node:assert/strict";
import type { BoardResources } from "../hvm/io/resources.ts";
import { BOARDS, PC } from "./_test_board.ts";
import { BOOT_ARCH, fadt, FADT_FLAGS } from "./fadt.ts";

/** Offsets of [ACPI] table 5.9. */
const AT = {
  FIRMWARE_CTRL: 36,
  DSDT: 40,
  SCI_INT: 46,
  SMI_CMD: 48,
  ACPI_ENABLE: 52,
  ACPI_DISABLE: 53,
  PM1A_EVT_BLK: 56,
  PM1B_EVT_BLK: 60,
  PM1A_CNT_BLK: 64,
  PM_TMR_BLK: 76,
  GPE0_BLK: 80,
  PM1_EVT_LEN: 88,
  PM1_CNT_LEN: 89,
  PM_TMR_LEN: 91,
  GPE0_BLK_LEN: 92,
  P_LVL2_LAT: 96,
  P_LVL3_LAT: 98,
  CENTURY: 108,
  IAPC_BOOT_ARCH: 109,
  FLAGS: 112,
  RESET_REG: 116,
  RESET_VALUE: 128,
  X_FIRMWARE_CTRL: 132,
  X_DSDT: 140,
  X_PM1A_EVT_BLK: 148,
  X_PM1A_CNT_BLK: 172,
  X_PM_TMR_BLK: 208,
  X_GPE0_BLK: 220,
} as const;

function read(board: BoardResources) {
  const bytes = fadt(board, { facs: 0xf0040, dsdt: 0xf0080 });
  const view = new DataView(bytes.buffer);
  return {
    bytes,
    u8: (at: number) => view.getUint8(at),
    u16: (at: number) => view.getUint16(at, true),
    u32: (at: number) => view.getUint32(at, true),
    /** Space, width, offset, access size, address. [ACPI] table 5.1 */
    gas: (at: number) => [...bytes.subarray(at, at + 4), Number(view.getBigUint64(at + 4, true))],
  };
}

const shape = (name: string): BoardResources => BOARDS[name] ?? PC;

Deno.test("fadt is of revision 6.5 and 276 bytes [ACPI] table 5.9", () => {
  const { bytes, u8 } = read(PC);
  assert.equal(bytes.length, 276);
  assert.equal(u8(8), 6);
  assert.equal(u8(131), 5);
});

Deno.test("fadt points to FACS and DSDT, the FACS by the 32-bit field alone", () => {
  const { u32 } = read(PC);
  assert.equal(u32(AT.FIRMWARE_CTRL), 0xf0040);
  assert.equal(u32(AT.X_FIRMWARE_CTRL), 0);
  assert.equal(u32(AT.DSDT), 0xf0080);
  assert.equal(u32(AT.X_DSDT), 0xf0080);
});

Deno.test("fadt gives the register blocks by port and by generic address [ACPI] 4.8.3", () => {
  const { u8, u16, u32, gas } = read(PC);
  assert.equal(u16(AT.SCI_INT), 9);
  assert.equal(u32(AT.SMI_CMD), 0xb2);
  assert.deepEqual([u8(AT.ACPI_ENABLE), u8(AT.ACPI_DISABLE)], [0xf1, 0xf0]);
  assert.deepEqual([u32(AT.PM1A_EVT_BLK), u8(AT.PM1_EVT_LEN)], [0x600, 4]);
  assert.deepEqual([u32(AT.PM1A_CNT_BLK), u8(AT.PM1_CNT_LEN)], [0x604, 2]);
  assert.deepEqual([u32(AT.PM_TMR_BLK), u8(AT.PM_TMR_LEN)], [0x608, 4]);
  assert.deepEqual([u32(AT.GPE0_BLK), u8(AT.GPE0_BLK_LEN)], [0x620, 4]);
  assert.equal(u32(AT.PM1B_EVT_BLK), 0);
  assert.deepEqual(gas(AT.X_PM1A_EVT_BLK), [1, 32, 0, 2, 0x600]);
  assert.deepEqual(gas(AT.X_PM1A_CNT_BLK), [1, 16, 0, 2, 0x604]);
  assert.deepEqual(gas(AT.X_PM_TMR_BLK), [1, 32, 0, 3, 0x608]);
  assert.deepEqual(gas(AT.X_GPE0_BLK), [1, 32, 0, 1, 0x620]);
  assert.deepEqual(gas(AT.RESET_REG), [1, 8, 0, 1, 0xcf9]);
  assert.equal(u8(AT.RESET_VALUE), 6);
});

Deno.test("fadt leaves out a GPE block that is not there", () => {
  const { u8, u32, gas } = read({ ...PC, ...(PC.fixed ? { fixed: { ...PC.fixed, gpe0Length: 0 } } : {}) });
  assert.equal(u32(AT.GPE0_BLK), 0);
  assert.equal(u8(AT.GPE0_BLK_LEN), 0);
  assert.deepEqual(gas(AT.X_GPE0_BLK), [0, 0, 0, 0, 0]);
});

Deno.test("fadt says there are no C2 and C3 states: latencies past 100 and 1000 microseconds", () => {
  const { u16 } = read(PC);
  assert.ok(u16(AT.P_LVL2_LAT) > 100 && u16(AT.P_LVL3_LAT) > 1000);
});

Deno.test("fadt is hardware-reduced when fixed hardware is absent, and only then", () => {
  for (const board of Object.values(BOARDS)) {
    const reduced = (read(board).u32(AT.FLAGS) & FADT_FLAGS.HW_REDUCED_ACPI) !== 0;
    assert.equal(reduced, board.fixed === undefined);
  }
  const { u16, u32, gas } = read(shape("hardware-reduced"));
  assert.deepEqual([u16(AT.SCI_INT), u32(AT.SMI_CMD), u32(AT.PM1A_EVT_BLK), u32(AT.PM_TMR_BLK)], [
    0,
    0,
    0,
    0,
  ]);
  assert.equal(u32(AT.FLAGS) & FADT_FLAGS.RESET_REG_SUP, 0);
  assert.deepEqual(gas(AT.RESET_REG), [0, 0, 0, 0, 0]);
});

Deno.test("fadt shows the fixed power button, no sleep button, and the reset register", () => {
  const flags = read(PC).u32(AT.FLAGS);
  assert.equal(flags & FADT_FLAGS.PWR_BUTTON, 0);
  assert.notEqual(flags & FADT_FLAGS.SLP_BUTTON, 0);
  assert.notEqual(flags & FADT_FLAGS.RESET_REG_SUP, 0);
  assert.notEqual(flags & FADT_FLAGS.WBINVD, 0);
  assert.notEqual(flags & FADT_FLAGS.PROC_C1, 0);
});

Deno.test("fadt boot architecture flags follow the board, each both ways [ACPI] 5.2.9.3", () => {
  const flags = (board: BoardResources) => read(board).u16(AT.IAPC_BOOT_ARCH);
  for (
    const [bit, on, off] of [
      [BOOT_ARCH.LEGACY_DEVICES, PC, { ...PC, isa: [] }],
      [BOOT_ARCH.I8042, PC, { ...PC, hasI8042: false }],
      [BOOT_ARCH.VGA_NOT_PRESENT, PC, { ...PC, hasVga: true }],
      [BOOT_ARCH.MSI_NOT_SUPPORTED, shape("no LAPIC"), PC],
      [BOOT_ARCH.CMOS_RTC_NOT_PRESENT, { ...PC, hasRtc: false }, PC],
    ] as const
  ) {
    assert.equal(flags(on) & bit, bit);
    assert.equal(flags(off) & bit, 0);
  }
});

Deno.test("fadt gives the century's CMOS byte, or none", () => {
  assert.equal(read(PC).u8(AT.CENTURY), 0x32);
  assert.equal(read(shape("hardware-reduced with nothing")).u8(AT.CENTURY), 0);
});
