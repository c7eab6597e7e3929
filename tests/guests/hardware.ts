/**
 * Ports, addresses and register numbers that the guest programs use, from the datasheets alone: nothing here is shared
 * with the devices under test.
 *
 * Sources: [8259A] Intel 231468-003; [8254] Intel 231164-005; [MC146818] Motorola ADI-856-R2; [82093AA] Intel
 * 290566-001; [SDM] Intel SDM vol. 3A, ch. 11; [16550] NS PC16550D; [PIIX3] Intel 290550-002; [PIIX4] Intel 290562-001.
 * @module
 */

/** Ports. */
export const P = {
  PIC1_CMD: 0x20,
  PIC1_DATA: 0x21,
  PIC2_CMD: 0xa0,
  PIC2_DATA: 0xa1,
  ELCR1: 0x4d0,
  ELCR2: 0x4d1,
  PIT0: 0x40,
  PIT1: 0x41,
  PIT2: 0x42,
  PIT_CTRL: 0x43,
  PORT61: 0x61,
  KBC_DATA: 0x60,
  KBC_CMD: 0x64,
  RTC_INDEX: 0x70,
  RTC_DATA: 0x71,
  POST: 0x80,
  PORT92: 0x92,
  SMI_CMD: 0xb2,
  DEBUGCON: 0xe9,
  EXIT: 0xf4,
  COM2: 0x2f8,
  COM1: 0x3f8,
  PVPANIC: 0x505,
  FW_CFG_SELECT: 0x510,
  FW_CFG_DATA: 0x511,
  FW_CFG_DMA: 0x514,
  PM1_STS: 0x600,
  PM1_EN: 0x602,
  PM1_CNT: 0x604,
  PM_TMR: 0x608,
  CF8: 0xcf8,
  CF9: 0xcf9,
  CFC: 0xcfc,
} as const;

/** 16550 registers, from the UART's base. [16550] table II */
export const UART = {
  RBR: 0,
  THR: 0,
  IER: 1,
  IIR: 2,
  FCR: 2,
  LCR: 3,
  MCR: 4,
  LSR: 5,
  MSR: 6,
  SCR: 7,
} as const;

/** Local APIC registers in memory. [SDM] table 11-1 */
export const LAPIC = {
  BASE: 0xfee00000,
  ID: 0x20,
  VERSION: 0x30,
  TPR: 0x80,
  PPR: 0xa0,
  EOI: 0xb0,
  LDR: 0xd0,
  DFR: 0xe0,
  SVR: 0xf0,
  ISR: 0x100,
  TMR: 0x180,
  IRR: 0x200,
  ESR: 0x280,
  ICR_LOW: 0x300,
  ICR_HIGH: 0x310,
  LVT_TIMER: 0x320,
  LVT_LINT0: 0x350,
  LVT_LINT1: 0x360,
  LVT_ERROR: 0x370,
  TIMER_INITIAL: 0x380,
  TIMER_CURRENT: 0x390,
  TIMER_DIVIDE: 0x3e0,
} as const;

/** Bits of LVT entries and the ICR. [SDM] figures 11-8, 11-12 */
export const LVT = { MASKED: 1 << 16, PERIODIC: 1 << 17, TSC_DEADLINE: 2 << 17, EXT_INT: 7 << 8 } as const;
export const ICR = { SELF: 1 << 18, ASSERT: 1 << 14, LOGICAL: 1 << 11 } as const;

/** The IOAPIC. [82093AA] 3.0 */
export const IOAPIC = {
  SELECT: 0xfec00000,
  WINDOW: 0xfec00010,
  ID: 0,
  VERSION: 1,
  REDIRECTION: 0x10,
} as const;
/** Bits of a redirection entry's low half. [82093AA] 3.2.4 */
export const REDIR = {
  PENDING: 1 << 12,
  ACTIVE_LOW: 1 << 13,
  REMOTE_IRR: 1 << 14,
  LEVEL: 1 << 15,
  MASKED: 1 << 16,
} as const;

/** Model-specific registers. [SDM] vol. 4 */
export const MSR = {
  TSC: 0x10,
  APIC_BASE: 0x1b,
  SYSENTER_CS: 0x174,
  TSC_DEADLINE: 0x6e0,
  X2APIC: 0x800,
  EFER: 0xc0000080,
  STAR: 0xc0000081,
  LSTAR: 0xc0000082,
  FMASK: 0xc0000084,
  FS_BASE: 0xc0000100,
  GS_BASE: 0xc0000101,
  KERNEL_GS_BASE: 0xc0000102,
  KVM_SYSTEM_TIME_NEW: 0x4b564d01,
} as const;

/** The PM timer's rate. [ACPI] 4.8.3.3 */
export const PM_TIMER_HZ = 3_579_545;
/** The 8254's input on a PC. [PIIX3] 2.5.3 */
export const PIT_HZ = 1_193_182;

/** Vectors the programs give to interrupt controllers. */
export const VECTOR = {
  PIC1: 0x20,
  PIC2: 0x28,
  TIMER: 0x40,
  IPI: 0x50,
  IOAPIC: 0x60,
  SPURIOUS: 0xff,
} as const;
