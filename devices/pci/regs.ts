/**
 * Names of the PCI configuration header and of what its registers hold.
 *
 * Sources: [PCI] PCI Local Bus Specification 3.0, chapter 6 and appendices D (class codes) and H (capability ids);
 * [PCIPM] PCI Bus Power Management Interface Specification 1.2.
 * @module
 */

/** Offsets of a type 0 header. [PCI] 6.1 */
export const PCI_REG = {
  VENDOR_ID: 0x00,
  DEVICE_ID: 0x02,
  COMMAND: 0x04,
  STATUS: 0x06,
  REVISION_ID: 0x08,
  CLASS_CODE: 0x09,
  CACHE_LINE_SIZE: 0x0c,
  LATENCY_TIMER: 0x0d,
  HEADER_TYPE: 0x0e,
  BIST: 0x0f,
  BAR0: 0x10,
  CARDBUS_CIS: 0x28,
  SUBSYSTEM_VENDOR_ID: 0x2c,
  SUBSYSTEM_ID: 0x2e,
  ROM_BASE: 0x30,
  CAPABILITIES: 0x34,
  INTERRUPT_LINE: 0x3c,
  INTERRUPT_PIN: 0x3d,
  MIN_GNT: 0x3e,
  MAX_LAT: 0x3f,
  /** First byte after the header. */
  DEVICE_SPECIFIC: 0x40,
} as const;

/** Bytes of one function's configuration space. */
export const CONFIG_SIZE = 256;

/** Command register. [PCI] 6.2.2 */
export const PCI_COMMAND = {
  IO_SPACE: 1 << 0,
  MEMORY_SPACE: 1 << 1,
  BUS_MASTER: 1 << 2,
  SPECIAL_CYCLES: 1 << 3,
  WRITE_INVALIDATE: 1 << 4,
  PALETTE_SNOOP: 1 << 5,
  PARITY_RESPONSE: 1 << 6,
  SERR: 1 << 8,
  FAST_BACK_TO_BACK: 1 << 9,
  INTX_DISABLE: 1 << 10,
} as const;

/** Status register. [PCI] 6.2.3 */
export const PCI_STATUS = {
  INTERRUPT: 1 << 3,
  CAPABILITIES: 1 << 4,
  MHZ66: 1 << 5,
  FAST_BACK_TO_BACK: 1 << 7,
  MASTER_PARITY_ERROR: 1 << 8,
  DEVSEL_MEDIUM: 1 << 9,
  SIGNALED_TARGET_ABORT: 1 << 11,
  RECEIVED_TARGET_ABORT: 1 << 12,
  RECEIVED_MASTER_ABORT: 1 << 13,
  SIGNALED_SYSTEM_ERROR: 1 << 14,
  DETECTED_PARITY_ERROR: 1 << 15,
} as const;

/** Header type. [PCI] 6.2.1 */
export const HEADER_TYPE = { MULTI_FUNCTION: 1 << 7 } as const;

/** Low bits of a base address register. [PCI] 6.2.5.1 */
export const BAR_BITS = {
  IO: 1 << 0,
  MEMORY_64: 2 << 1,
  PREFETCHABLE: 1 << 3,
  /** Of the expansion ROM base only. [PCI] 6.2.5.2 */
  ROM_ENABLE: 1 << 0,
} as const;

/** Capability ids. [PCI] appendix H */
export const CAPABILITY = { POWER_MANAGEMENT: 0x01, MSI: 0x05, VENDOR: 0x09, MSI_X: 0x11 } as const;

/** Class codes: base class, subclass and interface in 24 bits. [PCI] appendix D */
export const CLASS = {
  IDE: 0x010180,
  NVME: 0x010802,
  ETHERNET: 0x020000,
  VGA: 0x030000,
  HOST_BRIDGE: 0x060000,
  ISA_BRIDGE: 0x060100,
  OTHER_BRIDGE: 0x068000,
} as const;
