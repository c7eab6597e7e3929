/**
 * From KVM's run page to the neutral exit record.
 *
 * Sources: [KVM] Linux Documentation/virt/kvm/api.rst, "The kvm_run structure".
 * @module
 */

import {
  EMULATION_FLAG_INSTRUCTION_BYTES,
  EXIT_IO,
  EXIT_REASON,
  INTERNAL_ERROR,
  PIO_PAGE_OFFSET,
} from "../kvm/abi.ts";
import { EXIT_ARM } from "../kvm/abi_structs.ts";
import { EXIT_AT, type RunPage } from "../kvm/run_page.ts";
import { PAGE_SIZE } from "../base/addr.ts";
import { ERRNO } from "../sys/errno.ts";
import { EXIT, type Exit, type ExitKind } from "./ops.ts";

const { io, mmio, internal, emulation_failure, debug, msr, hypercall, system_event, fail_entry } = EXIT_ARM;
const IO_DIRECTION_AT = EXIT_AT + io.offset.direction;
const IO_SIZE_AT = EXIT_AT + io.offset.size;
const IO_PORT_AT = EXIT_AT + io.offset.port;
const IO_COUNT_AT = EXIT_AT + io.offset.count;
const IO_DATA_OFFSET_AT = EXIT_AT + io.offset.data_offset;
const MMIO_ADDRESS_AT = EXIT_AT + mmio.offset.phys_addr;
const MMIO_DATA_AT = EXIT_AT + mmio.offset.data;
const MMIO_LENGTH_AT = EXIT_AT + mmio.offset.len;
const MMIO_WRITE_AT = EXIT_AT + mmio.offset.is_write;
/** Words of data an internal error or system event can carry. */
const MAX_INFO = 16;
/** `ndata` counts the flags and the two words that hold size and bytes of the instruction. */
const EMULATION_WORDS_WITH_BYTES = 3;
const NO_BYTES = new Uint8Array(0);

/** An exit record before its first run. */
export function emptyExit(): Exit {
  return {
    kind: EXIT.AGAIN,
    port: 0,
    width: 1,
    count: 0,
    write: false,
    gpa: 0,
    length: 0,
    data: NO_BYTES,
    code: 0,
    info: [],
    bytes: NO_BYTES,
    msr: 0,
    value: 0n,
    fault: false,
  };
}

/** Fills exit records from one processor's page. */
export class ExitReader {
  readonly #page: RunPage;
  /** Views of the first 1 to 4 bytes of port data and of 1 to 8 bytes of memory data: made once, used at most exits. */
  readonly #ioData: Uint8Array<ArrayBuffer>[];
  readonly #mmioData: Uint8Array<ArrayBuffer>[];

  constructor(page: RunPage) {
    this.#page = page;
    const views = (at: number, most: number) =>
      Array.from({ length: most + 1 }, (_, length) => page.bytes.subarray(at, at + length));
    this.#ioData = views(PIO_PAGE_OFFSET * PAGE_SIZE, 4);
    this.#mmioData = views(MMIO_DATA_AT, 8);
  }

  /** Describes a run that ended with `result` (0, or a negated error number). */
  read(result: number, exit: Exit): void {
    if (result !== 0) return readFailure(result, exit);
    const reason = this.#page.exitReason;
    switch (reason) {
      case EXIT_REASON.IO:
        return this.#readIo(exit);
      case EXIT_REASON.MMIO:
        return this.#readMmio(exit);
      case EXIT_REASON.HLT:
        return setKind(exit, EXIT.HLT);
      case EXIT_REASON.IRQ_WINDOW_OPEN:
        return setKind(exit, EXIT.INTERRUPT_WINDOW);
      case EXIT_REASON.SHUTDOWN:
        return setKind(exit, EXIT.SHUTDOWN);
      case EXIT_REASON.INTR:
        return setKind(exit, EXIT.INTERRUPTED);
      case EXIT_REASON.NMI: // the host's own
        return setKind(exit, EXIT.AGAIN);
      case EXIT_REASON.SET_TPR:
        return setKind(exit, EXIT.TPR);
      default:
        return this.#readRare(reason, exit);
    }
  }

  #readIo(exit: Exit): void {
    const { view, bytes } = this.#page;
    const width = bytes[IO_SIZE_AT] as 1 | 2 | 4;
    const count = view.getUint32(IO_COUNT_AT, true);
    const at = view.getUint32(IO_DATA_OFFSET_AT, true);
    exit.kind = EXIT.IO;
    exit.write = bytes[IO_DIRECTION_AT] === EXIT_IO.OUT;
    exit.width = width;
    exit.port = view.getUint16(IO_PORT_AT, true);
    exit.count = count;
    exit.length = width * count;
    exit.data = count === 1 && at === PIO_PAGE_OFFSET * PAGE_SIZE
      ? this.#ioData[width]!
      : bytes.subarray(at, at + width * count);
  }

  #readMmio(exit: Exit): void {
    const { view, bytes } = this.#page;
    const length = Math.min(8, view.getUint32(MMIO_LENGTH_AT, true));
    exit.kind = EXIT.MMIO;
    exit.gpa = view.getUint32(MMIO_ADDRESS_AT, true) + view.getUint32(MMIO_ADDRESS_AT + 4, true) * 2 ** 32;
    exit.length = length;
    exit.write = bytes[MMIO_WRITE_AT] !== 0;
    exit.data = this.#mmioData[length]!;
  }

  #readRare(reason: number, exit: Exit): void {
    const { bytes } = this.#page;
    switch (reason) {
      case EXIT_REASON.INTERNAL_ERROR:
        return this.#readInternalError(exit);
      case EXIT_REASON.FAIL_ENTRY: {
        const arm = fail_entry.view(bytes, EXIT_AT);
        exit.kind = EXIT.FAIL_ENTRY;
        exit.code = Number(arm.hardware_entry_failure_reason);
        exit.info = [BigInt(arm.cpu)];
        return;
      }
      case EXIT_REASON.SYSTEM_EVENT: {
        const arm = system_event.view(bytes, EXIT_AT);
        exit.kind = EXIT.SYSTEM_EVENT;
        exit.code = arm.type;
        exit.info = arm.data.slice(0, Math.min(arm.ndata, MAX_INFO));
        return;
      }
      case EXIT_REASON.X86_RDMSR:
      case EXIT_REASON.X86_WRMSR: {
        const arm = msr.view(bytes, EXIT_AT);
        const write = reason === EXIT_REASON.X86_WRMSR;
        exit.kind = write ? EXIT.MSR_WRITE : EXIT.MSR_READ;
        exit.msr = arm.index;
        exit.write = write;
        exit.value = write ? arm.data : 0n;
        exit.fault = false;
        exit.code = arm.reason;
        return;
      }
      case EXIT_REASON.DEBUG: {
        const arm = debug.view(bytes, EXIT_AT);
        exit.kind = EXIT.DEBUG;
        exit.code = arm.exception;
        exit.gpa = Number(arm.pc);
        exit.info = [arm.dr6, arm.dr7];
        return;
      }
      case EXIT_REASON.HYPERCALL: {
        const arm = hypercall.view(bytes, EXIT_AT);
        exit.kind = EXIT.HYPERCALL;
        exit.code = Number(arm.nr);
        exit.info = arm.args;
        exit.value = 0n;
        return;
      }
      case EXIT_REASON.IOAPIC_EOI:
        exit.kind = EXIT.EOI;
        exit.code = EXIT_ARM.eoi.view(bytes, EXIT_AT).vector;
        return;
      case EXIT_REASON.UNKNOWN:
        exit.kind = EXIT.UNKNOWN;
        exit.code = Number(EXIT_ARM.hw.view(bytes, EXIT_AT).hardware_exit_reason);
        return;
      default:
        exit.kind = EXIT.OTHER;
        exit.code = reason;
    }
  }

  #readInternalError(exit: Exit): void {
    const { bytes } = this.#page;
    const arm = internal.view(bytes, EXIT_AT);
    exit.kind = EXIT.INTERNAL_ERROR;
    exit.code = arm.suberror;
    exit.info = arm.data.slice(0, Math.min(arm.ndata, MAX_INFO));
    exit.bytes = NO_BYTES;
    if (arm.suberror !== INTERNAL_ERROR.EMULATION || arm.ndata < EMULATION_WORDS_WITH_BYTES) return;
    const failure = emulation_failure.view(bytes, EXIT_AT);
    if ((Number(failure.flags) & EMULATION_FLAG_INSTRUCTION_BYTES) === 0) return;
    exit.bytes = failure.insn_bytes.slice(0, Math.min(15, failure.insn_size));
  }
}

function setKind(exit: Exit, kind: ExitKind): void {
  exit.kind = kind;
}

/** A run the kernel refused. What a guest can bring about (EFAULT) must end as a diagnosis, so nothing is thrown. */
function readFailure(result: number, exit: Exit): void {
  if (result === -ERRNO.EINTR) return setKind(exit, EXIT.INTERRUPTED);
  if (result === -ERRNO.EAGAIN) return setKind(exit, EXIT.AGAIN);
  exit.kind = EXIT.INTERNAL_ERROR;
  exit.code = result;
  exit.info = [];
  exit.bytes = NO_BYTES;
}
