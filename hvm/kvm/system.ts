/**
 * /dev/kvm: its version, capabilities, and the CPUID and MSRs it supports.
 *
 * Sources: [KVM] Linux Documentation/virt/kvm/api.rst.
 * @module
 */

import { ERRNO } from "../sys/errno.ts";
import { closeFile, ioctlBytes, ioctlInt, OPEN, tryOpen } from "../sys/files.ts";
import { API_VERSION, CAP, type CapName, IOCTL } from "./abi.ts";
import { capabilityError, ioctlError, openError, versionError } from "./advice.ts";
import { type CpuidEntry, decodeCpuid, encodeCpuid } from "./cpuid_list.ts";
import { KvmVm } from "./vm.ts";

/** What hvm cannot do without. All of it is in Linux 4.11 and newer. */
const REQUIRED: readonly CapName[] = [
  "USER_MEMORY",
  "EXT_CPUID",
  "MP_STATE",
  "VCPU_EVENTS",
  "IMMEDIATE_EXIT",
];

/** More CPUID entries than any host has; KVM's own limit is 256. */
const MAX_CPUID_ENTRIES = 256;

/** The opened device. */
export class KvmSystem {
  readonly fd: number;
  /** Bytes of a vCPU's mapping. */
  readonly vcpuMapSize: number;

  private constructor(fd: number) {
    this.fd = fd;
    this.vcpuMapSize = ioctlInt(fd, IOCTL.GET_VCPU_MMAP_SIZE, 0);
  }

  /**
   * Opens the device and checks that hvm can use it.
   * @throws {HostError} with a sentence that says what to do: no device, no permission, another version, too old.
   */
  static open(path = "/dev/kvm"): KvmSystem {
    const fd = tryOpen(path, OPEN.READ_WRITE);
    if (fd < 0) throw openError(path, -fd);
    const version = ioctlInt(fd, IOCTL.GET_API_VERSION, 0);
    if (version !== API_VERSION) {
      closeFile(fd);
      throw versionError(path, version);
    }
    const system = new KvmSystem(fd);
    const missing = REQUIRED.filter((name) => system.capability(name) === 0);
    if (missing.length > 0) {
      system.close();
      throw capabilityError(missing);
    }
    return system;
  }

  /** What KVM_CHECK_EXTENSION answers: 0 when the capability is absent. */
  capability(name: CapName): number {
    return Math.max(0, ioctlInt(this.fd, IOCTL.CHECK_EXTENSION, CAP[name]));
  }

  /** Makes an empty virtual machine. @throws {HostError} */
  createVm(): KvmVm {
    // A signal may interrupt the creation (Linux answers EINTR to a process with one pending).
    for (let tries = 0;; tries++) {
      const fd = ioctlInt(this.fd, IOCTL.CREATE_VM, 0);
      if (fd >= 0) return KvmVm.attach(fd, this.vcpuMapSize);
      if (fd !== -ERRNO.EINTR || tries === 10) throw ioctlError("CREATE_VM", -fd);
    }
  }

  /** The CPUID leaves that KVM can offer on this host. @throws {HostError} */
  supportedCpuid(): CpuidEntry[] {
    return this.#cpuid("GET_SUPPORTED_CPUID");
  }

  /** The CPUID features that KVM emulates without the hardware's help. @throws {HostError} */
  emulatedCpuid(): CpuidEntry[] {
    return this.#cpuid("GET_EMULATED_CPUID");
  }

  /** The MSRs a snapshot keeps. @throws {HostError} */
  msrIndices(): number[] {
    const list = new Uint32Array(1 + 1024);
    list[0] = 1024;
    const result = ioctlBytes(this.fd, IOCTL.GET_MSR_INDEX_LIST, new Uint8Array(list.buffer));
    if (result < 0) throw ioctlError("GET_MSR_INDEX_LIST", -result);
    return [...list.subarray(1, 1 + list[0]!)];
  }

  /** Closes the device; machines made from it live on. */
  close(): void {
    closeFile(this.fd);
  }

  #cpuid(name: "GET_SUPPORTED_CPUID" | "GET_EMULATED_CPUID"): CpuidEntry[] {
    const bytes = encodeCpuid([], MAX_CPUID_ENTRIES);
    const result = ioctlBytes(this.fd, IOCTL[name], bytes);
    if (result < 0) throw ioctlError(name, -result);
    return decodeCpuid(bytes);
  }
}
