/**
 * Device identifiers: compressed EISA ids, and those this board's devices go by.
 *
 * Sources: [ACPI] 6.5, 6.1.5 (_HID) and 19.6.36 (EISAID); [PNP] Microsoft's list of reserved PNP ids.
 * @module
 */

/** Identifiers of devices that the tables add to what the board lists. [ACPI] table 5.160; [PNP] */
export const HID = {
  PCI_HOST: "PNP0A03",
  PCIE_HOST: "PNP0A08",
  INTERRUPT_LINK: "PNP0C0F",
  MOTHERBOARD_RESOURCES: "PNP0C02",
  HPET: "PNP0103",
  PROCESSOR: "ACPI0007",
  /** [QEMU] docs/specs/pvpanic.rst */
  PVPANIC: "QEMU0001",
} as const;

const EISA_FORM = /^([A-Z]{3})([0-9A-F]{4})$/;

/** True for three letters and four upper-case hexadecimal digits, which travel compressed. */
export function isEisaId(id: string): boolean {
  return EISA_FORM.test(id);
}

/**
 * The 32-bit number of an EISA id: three 5-bit letters and four digits, stored big-endian. [ACPI] 19.6.36
 * @throws {RangeError} when the id has another form.
 */
export function eisaId(id: string): number {
  const match = EISA_FORM.exec(id);
  if (match === null) throw new RangeError(`Cannot compress ${JSON.stringify(id)}: not an EISA id`);
  const [, letters = "", digits = ""] = match;
  const packed = [...letters].reduce((sum, letter) => sum * 32 + letter.charCodeAt(0) - 0x40, 0);
  const big = [packed >>> 8, packed & 0xff, parseInt(digits.slice(0, 2), 16), parseInt(digits.slice(2), 16)];
  return big.reduceRight((sum, byte) => sum * 256 + byte, 0);
}
