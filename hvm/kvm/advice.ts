/**
 * Turns an errno of KVM into a sentence a user can act on.
 * @module
 */

import { HostError } from "../base/errors.ts";
import { ERRNO, errnoName, hostError } from "../sys/errno.ts";
import { readSmallText } from "../sys/files.ts";
import { API_VERSION, type CapName, type IoctlName } from "./abi.ts";

/** What the first line of `flags` in /proc/cpuinfo says about hardware virtualization. */
export type CpuVirtualization = "vmx" | "svm" | "none";

/**
 * What the processor offers. Only for advice: a KVM without hardware virtualization exists, so these flags never
 * decide whether KVM can be used.
 */
export function cpuVirtualization(cpuinfo: string = readSmallText("/proc/cpuinfo")): CpuVirtualization {
  const flags = /^flags\s*:(.*)$/m.exec(cpuinfo)?.[1]?.split(" ") ?? [];
  if (flags.includes("vmx")) return "vmx";
  return flags.includes("svm") ? "svm" : "none";
}

/** What to do about a KVM device that cannot be opened. */
function openAdvice(errno: number, cpu: CpuVirtualization): string {
  switch (errno) {
    case ERRNO.EACCES:
      return "permission denied; add yourself to its group with `usermod -aG kvm NAME` as root and log in again";
    case ERRNO.EPERM:
      return "it may not be used here; in a container, start that with `--device /dev/kvm`";
    case ERRNO.ENOENT:
    case ERRNO.ENODEV:
    case ERRNO.ENXIO:
      if (cpu === "none") {
        return "there is no KVM, and the processor shows no hardware virtualization; enable VT-x or AMD-V in the " +
          "firmware, or nested virtualization when this is a virtual machine";
      }
      return `there is no KVM; load it with \`modprobe ${
        cpu === "vmx" ? "kvm_intel" : "kvm_amd"
      }\` as root, or ` +
        "start with `--device /dev/kvm` when this is a container";
    case ERRNO.EMFILE:
    case ERRNO.ENFILE:
      return "too many files are open; close other programs or raise the limit with `ulimit -n`";
    default:
      return `open failed with ${errnoName(errno)}`;
  }
}

/** The error for a KVM device that cannot be opened. */
export function openError(
  path: string,
  errno: number,
  cpu: CpuVirtualization = cpuVirtualization(),
): HostError {
  return new HostError(`Cannot use ${path}: ${openAdvice(errno, cpu)}`, {
    operation: "open",
    errno: errnoName(errno),
  });
}

/** The error for a device that is there but is no KVM, or one of another version. */
export function versionError(path: string, answer: number): HostError {
  const operation = "ioctl(KVM_GET_API_VERSION)";
  if (answer < 0) {
    return new HostError(
      `Cannot use ${path}: it is not the KVM device; remove it and load the kernel's KVM module`,
      { operation, errno: errnoName(-answer) },
    );
  }
  return new HostError(
    `Cannot use ${path}: it speaks version ${answer} of the KVM interface, not ${API_VERSION}; ` +
      "use a Linux kernel of 2.6.22 or newer",
    { operation },
  );
}

/** The error for a KVM without something hvm cannot do without. */
export function capabilityError(missing: readonly CapName[]): HostError {
  const names = missing.map((name) => `KVM_CAP_${name}`).join(", ");
  return new HostError(`Cannot use KVM of this host: it lacks ${names}; use Linux 5.10 or newer`, {
    operation: "ioctl(KVM_CHECK_EXTENSION)",
  });
}

/** What failed requests were for, where the name of the request does not say it. */
const GOAL: Partial<Record<IoctlName, string>> = {
  CREATE_VM: "create a virtual machine",
  CREATE_VCPU: "create a virtual processor",
  SET_USER_MEMORY_REGION: "give memory to the virtual machine",
  CREATE_IRQCHIP: "create KVM's interrupt controllers",
  CREATE_PIT2: "create KVM's interval timer",
  SET_CPUID2: "set the processor's CPUID",
  RUN: "run the virtual processor",
};

/** What to do, where more can be said than what the errno means. */
const ADVICE: Partial<Record<IoctlName, Partial<Record<string, string>>>> = {
  CREATE_VM: {
    EBUSY: "another hypervisor uses the processor's virtualization; stop it (VirtualBox, VMware)",
    EOPNOTSUPP: "virtualization is disabled in the firmware; enable it there",
  },
  CREATE_VCPU: { EINVAL: "there are too many; ask for fewer with --cpus", EEXIST: "it exists already" },
  SET_USER_MEMORY_REGION: { EEXIST: "it overlaps other memory of the machine" },
  RUN: { EHWPOISON: "the host's memory is faulty there" },
};

/** The error for a refused request. */
export function ioctlError(name: IoctlName, errno: number): HostError {
  const goal = GOAL[name] ?? "set up the virtual machine";
  const operation = `ioctl(KVM_${name})`;
  const advice = ADVICE[name]?.[errnoName(errno)];
  if (advice === undefined) return hostError(goal, operation, errno);
  return new HostError(`Cannot ${goal}: ${advice}`, { operation, errno: errnoName(errno) });
}
