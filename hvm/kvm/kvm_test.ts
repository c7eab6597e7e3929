import assert from "node:assert/strict";
import { kvmTest } from "../testing/kvm.ts";
import { closeFile } from "../sys/files.ts";
import { ERRNO } from "../sys/errno.ts";
import { createMemfd, mapAnonymous, mapFile, type Mapping } from "../sys/memory.ts";
import { monotonicNs } from "../sys/timers.ts";
import { EXIT_REASON, SYNC_X86 } from "./abi.ts";
import { EXIT_ARM, REGS, SREGS } from "./abi_structs.ts";
import { cpuVirtualization, ioctlError, openError, versionError } from "./advice.ts";
import { decodeCpuid, encodeCpuid } from "./cpuid_list.ts";
import { kick, type KickHandle, KickReceiver } from "./kick.ts";
import { ALL_SYNC_REGS, EXIT_AT } from "./run_page.ts";
import { KvmSystem } from "./system.ts";
import type { KvmVcpu } from "./vcpu.ts";
import { getMpState, getState, setCpuid, setState, tellPaused, tscKhz } from "./vcpu_state.ts";
import type { KvmVm } from "./vm.ts";
import { addCoalescedZone, filterMsrs, getClock, removeCoalescedZone, setClock } from "./vm_extras.ts";

interface Rig {
  readonly system: KvmSystem;
  readonly vm: KvmVm;
  readonly vcpu: KvmVcpu;
  readonly ram: Mapping;
  [Symbol.dispose](): void;
}

/** Interrupts on: the VT-x lab's processor takes its own interrupts in no guest that has them off. */
const RFLAGS_START = 0x202n;

/** 64 KiB of memory at 0 with `code` at 1000h, and a processor about to run it in real mode. */
function rig(...code: number[]): Rig {
  const system = KvmSystem.open();
  const vm = system.createVm();
  const ram = mapAnonymous(0x10000);
  ram.bytes.set(code, 0x1000);
  vm.setMemory({ slot: 0, gpa: 0, length: 0x10000, address: ram.address });
  const vcpu = vm.createVcpu(0);
  vcpu.page.validRegs = ALL_SYNC_REGS;
  const sregs = getState(vcpu, "SREGS");
  const { cs } = SREGS.view(sregs);
  cs.base = 0n;
  cs.selector = 0;
  setState(vcpu, "SREGS", sregs);
  setState(vcpu, "REGS", REGS.encode({ rip: 0x1000n, rflags: RFLAGS_START }));
  return {
    system,
    vm,
    vcpu,
    ram,
    [Symbol.dispose]() {
      vcpu.close();
      vm.close();
      system.close();
      ram.unmap();
    },
  };
}

function ioExit(vcpu: KvmVcpu) {
  return EXIT_ARM.io.view(vcpu.page.bytes, EXIT_AT);
}

kvmTest("a real-mode guest writes a port and halts", {}, () => {
  using guest = rig(0xb0, 0x5a, 0xe6, 0x80, 0xf4); // mov al, 5ah; out 80h, al; hlt
  const { vcpu } = guest;
  assert.equal(vcpu.run(), 0);
  assert.equal(vcpu.page.exitReason, EXIT_REASON.IO);
  const { port, size, count, direction, data_offset } = ioExit(vcpu);
  assert.deepEqual([port, size, count, direction], [0x80, 1, 1, 1]);
  assert.equal(vcpu.page.bytes[Number(data_offset)], 0x5a);
  assert.equal(vcpu.run(), 0);
  assert.equal(vcpu.page.exitReason, EXIT_REASON.HLT);
  assert.equal(vcpu.page.rip, 0x1005n);
  assert.equal(getMpState(vcpu), 0);
});

kvmTest("registers travel in the run page both ways", { needs: ["SYNC_REGS"] }, () => {
  using guest = rig(0xb8, 0x34, 0x12, 0xf4, 0x40, 0xf4); // mov ax, 1234h; hlt; inc ax; hlt
  const { vcpu } = guest;
  vcpu.run();
  const regs = REGS.view(vcpu.page.regs);
  assert.equal(regs.rax, 0x1234n);
  regs.rax = 0x41n;
  vcpu.page.markDirty(SYNC_X86.REGS);
  vcpu.run();
  assert.equal(vcpu.page.dirtyRegs, 0);
  assert.equal(REGS.view(vcpu.page.regs).rax, 0x42n);
});

kvmTest("immediateExit ends a run before its first instruction", {}, () => {
  using guest = rig(0xeb, 0xfe); // jmp $
  guest.vcpu.page.immediateExit = true;
  assert.equal(guest.vcpu.run(), -ERRNO.EINTR);
  assert.equal(guest.vcpu.page.rip, 0x1000n);
});

kvmTest("a kick before the run and an alarm during it end it, once each", {}, () => {
  using guest = rig(0xeb, 0xfe); // jmp $
  const receiver = new KickReceiver();
  guest.vcpu.setSignalMask(receiver.runMask);
  kick(receiver.handle);
  kick(receiver.handle);
  assert.equal(guest.vcpu.run(), -ERRNO.EINTR);
  receiver.take();
  for (let i = 0; i < 3; i++) {
    const start = monotonicNs();
    receiver.setAlarm(start + 2_000_000);
    assert.equal(guest.vcpu.run(), -ERRNO.EINTR);
    assert.ok(monotonicNs() - start >= 2_000_000);
    receiver.take();
  }
  receiver.setAlarm(Infinity);
  kick(receiver.handle);
  receiver.wait(Infinity);
  const before = monotonicNs();
  receiver.wait(before + 1_000_000);
  assert.ok(monotonicNs() >= before + 1_000_000);
  assert.equal(kick(receiver.handle), true);
  receiver.close();
  assert.equal(kick(receiver.handle), false);
});

kvmTest("an alarm set again for a deadline that has passed rings again", {}, () => {
  const receiver = new KickReceiver();
  using guest = rig(0xeb, 0xfe);
  guest.vcpu.setSignalMask(receiver.runMask);
  const deadline = monotonicNs() - 1;
  for (let i = 0; i < 3; i++) {
    receiver.setAlarm(deadline);
    assert.equal(guest.vcpu.run(), -ERRNO.EINTR);
    receiver.take();
  }
  receiver.close();
});

kvmTest("kicks from another thread never get lost", {}, async () => {
  using guest = rig(0x40, 0xeb, 0xfd); // inc ax; jmp to it
  const source = `
    onmessage = async ({ data: { url, handle, words, rounds } }) => {
      const { kick } = await import(url);
      const turns = new Int32Array(words);
      for (let i = 1; i <= rounds; i++) {
        Atomics.store(turns, 0, i);
        kick(handle);
        while (Atomics.load(turns, 1) !== i) Atomics.wait(turns, 1, i - 1, 1);
      }
      close();
    };
    postMessage(0);`;
  const worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })), {
    type: "module",
  });
  await new Promise((ready) => worker.onmessage = ready);
  const receiver = new KickReceiver();
  guest.vcpu.setSignalMask(receiver.runMask);
  const words = new SharedArrayBuffer(8);
  const turns = new Int32Array(words);
  const handle: KickHandle = receiver.handle;
  const url = new URL("./kick.ts", import.meta.url).href;
  const rounds = 500;
  worker.postMessage({ url, handle, words, rounds });
  let seen = 0;
  const end = monotonicNs() + 20e9;
  // Half of the kicks meet the processor in the guest, half in its sleep; the alarm only guards the test.
  while (seen < rounds) {
    assert.ok(monotonicNs() < end, `stuck after ${seen} kicks`);
    if (seen % 2 === 0) {
      receiver.setAlarm(end);
      if (guest.vcpu.run() === -ERRNO.EINTR) receiver.take();
    } else receiver.wait(end);
    seen = Atomics.load(turns, 0);
    Atomics.store(turns, 1, seen);
    Atomics.notify(turns, 1);
  }
  receiver.close();
  worker.terminate();
});

kvmTest("batched writes arrive in order, ports and memory, and the ring can be refilled", {
  needs: ["COALESCED_MMIO", "COALESCED_PIO"],
}, () => {
  // mov cx, 300; again: mov al, cl; out 80h, al; mov [fs:0], cl with fs = f000h; loop; hlt
  using guest = rig(
    0xb9,
    0x2c,
    0x01,
    0xb8,
    0x00,
    0xf0,
    0x8e,
    0xe0,
    0x88,
    0xc8,
    0xe6,
    0x80,
    0x64,
    0x88,
    0x0e,
    0x00,
    0x00,
    0xe2,
    0xf5,
    0xf4,
  );
  const { vm, vcpu } = guest;
  addCoalescedZone(vm, { pio: true, address: 0x80, length: 1 });
  addCoalescedZone(vm, { pio: false, address: 0xf0000, length: 16 });
  const seen: [boolean, number][] = [];
  let exits = 0;
  const take = () =>
    vcpu.coalesced!.drain((pio, address, bytes, at, length) => {
      assert.deepEqual([address, length], [pio ? 0x80 : 0xf0000, 1]);
      seen.push([pio, bytes[at]!]);
    });
  for (;; exits++) {
    assert.equal(vcpu.run(), 0);
    take();
    assert.equal(vcpu.coalesced!.pending, false);
    if (vcpu.page.exitReason === EXIT_REASON.HLT) break;
    const pio = vcpu.page.exitReason === EXIT_REASON.IO;
    seen.push([
      pio,
      pio
        ? vcpu.page.bytes[Number(ioExit(vcpu).data_offset)]!
        : EXIT_ARM.mmio.view(vcpu.page.bytes, EXIT_AT).data[0]!,
    ]);
  }
  assert.ok(exits > 0 && exits < 10, `${exits} exits`);
  const expected: [boolean, number][] = [];
  for (let cx = 300; cx > 0; cx--) expected.push([true, cx & 0xff], [false, cx & 0xff]);
  assert.deepEqual(seen, expected);
  removeCoalescedZone(vm, { pio: true, address: 0x80, length: 1 });
});

kvmTest("memory slots are added, removed and logged", {}, () => {
  // mov al, 1; mov [5000h], al; mov [7000h], al; hlt; mov [9000h], al; hlt
  using guest = rig(0xb0, 1, 0xa2, 0x00, 0x50, 0xa2, 0x00, 0x70, 0xf4, 0xa2, 0x00, 0x90, 0xf4);
  const { vm, vcpu, ram } = guest;
  const slot = { slot: 0, gpa: 0, length: 0x10000, address: ram.address };
  vm.setMemory({ ...slot, logDirty: true });
  vcpu.run();
  const [first, second] = vm.dirtyLog(0, 16);
  assert.equal(first! & 0xa0, 0xa0);
  assert.equal(second! & 0x02, 0);
  vcpu.run();
  assert.deepEqual([...vm.dirtyLog(0, 16).subarray(0, 2)], [0, 0x02]);
  assert.throws(() => vm.setMemory({ ...slot, slot: 1, gpa: 0x8000 }), {
    name: "HostError",
    errno: "EEXIST",
    message: "Cannot give memory to the virtual machine: it overlaps other memory of the machine",
  });
  vm.removeMemory(0);
  assert.throws(() => vm.dirtyLog(0, 16), { name: "HostError", errno: "ENOENT" });
});

kvmTest("memory may be a shared memfd, and a read-only slot turns writes into exits", {
  needs: ["READONLY_MEM"],
}, () => {
  using guest = rig(0xb8, 0, 0xf0, 0x8e, 0xd8, 0xa0, 1, 0, 0xa2, 2, 0, 0xf4); // ds = f000h; al = [1]; [2] = al
  const fd = createMemfd("rom", 0x10000);
  const rom = mapFile(fd, 0x10000);
  rom.bytes[1] = 0x77;
  guest.vm.setMemory({ slot: 1, gpa: 0xf0000, length: 0x10000, address: rom.address, readonly: true });
  assert.equal(guest.vcpu.run(), 0);
  assert.equal(guest.vcpu.page.exitReason, EXIT_REASON.MMIO);
  const mmio = EXIT_ARM.mmio.view(guest.vcpu.page.bytes, EXIT_AT);
  assert.deepEqual([mmio.phys_addr, mmio.len, mmio.is_write, mmio.data[0]], [0xf0002, 1, 1, 0x77]);
  assert.equal(rom.bytes[2], 0);
  guest.vm.removeMemory(1);
  rom.unmap();
  closeFile(fd);
});

kvmTest("filtered MSRs come to us and can be refused", { needs: ["X86_MSR_FILTER"] }, () => {
  using guest = rig(0x66, 0xb9, 0x23, 0x01, 0x00, 0x40, 0x0f, 0x32, 0xf4); // mov ecx, 40000123h; rdmsr; hlt
  filterMsrs(guest.vm, [{ base: 0x40000100, count: 0x100, read: true, write: true }]);
  assert.equal(guest.vcpu.run(), 0);
  assert.equal(guest.vcpu.page.exitReason, EXIT_REASON.X86_RDMSR);
  const msr = EXIT_ARM.msr.view(guest.vcpu.page.bytes, EXIT_AT);
  assert.equal(msr.index, 0x40000123);
  msr.data = 0x1_0000_0002n;
  guest.vcpu.run();
  assert.equal(guest.vcpu.page.exitReason, EXIT_REASON.HLT);
  const regs = REGS.view(guest.vcpu.page.regs);
  assert.deepEqual([regs.rax, regs.rdx], [2n, 1n]);
});

kvmTest("an MSR is read and written, and an unknown one is refused quietly", {}, () => {
  using guest = rig(0xf4);
  const IA32_SYSENTER_ESP = 0x175;
  assert.equal(guest.vcpu.writeMsr(IA32_SYSENTER_ESP, 0x1234n), true);
  assert.equal(guest.vcpu.readMsr(IA32_SYSENTER_ESP), 0x1234n);
  assert.equal(guest.vcpu.writeMsr(0x7fffffff, 1n), false);
  assert.equal(guest.vcpu.readMsr(0x7fffffff), undefined);
});

kvmTest("CPUID lists, TSC frequency and clock are read and set", {}, () => {
  using guest = rig(0xf4);
  const supported = guest.system.supportedCpuid();
  assert.ok(supported.some((entry) => entry.leaf === 0 && entry.eax >= 1));
  assert.ok(supported.some((entry) => entry.indexed));
  setCpuid(guest.vcpu, supported);
  assert.ok(tscKhz(guest.vcpu) > 100_000);
  assert.ok(guest.system.msrIndices().includes(0x174));
  assert.equal(tellPaused(guest.vcpu), false); // this guest has never asked for the clock
  setClock(guest.vm, 5_000_000_000n);
  const { clock } = getClock(guest.vm);
  assert.ok(clock >= 5_000_000_000n && clock < 15_000_000_000n);
});

kvmTest("a device that is no KVM is refused with a sentence", {}, () => {
  assert.throws(() => KvmSystem.open("/dev/null"), {
    name: "HostError",
    errno: "ENOTTY",
    message: "Cannot use /dev/null: it is not the KVM device; remove it and load the kernel's KVM module",
  });
  assert.throws(() => KvmSystem.open("/nonexistent/kvm"), { name: "HostError", errno: "ENOENT" });
});

Deno.test("what to do about an unusable device depends on errno and processor", () => {
  const text = (errno: number, cpu: "vmx" | "svm" | "none") => openError("/dev/kvm", errno, cpu).message;
  assert.match(text(ERRNO.EACCES, "vmx"), /^Cannot use \/dev\/kvm: permission denied; .*usermod -aG kvm/);
  assert.match(text(ERRNO.EPERM, "vmx"), /container/);
  assert.match(text(ERRNO.ENOENT, "vmx"), /modprobe kvm_intel/);
  assert.match(text(ERRNO.ENODEV, "svm"), /modprobe kvm_amd/);
  assert.match(text(ERRNO.ENOENT, "none"), /nested virtualization/);
  assert.match(text(ERRNO.EMFILE, "vmx"), /ulimit -n/);
  assert.match(text(ERRNO.EIO, "vmx"), /EIO/);
  assert.match(versionError("/dev/kvm", 10).message, /version 10 .* not 12; use a Linux kernel/);
  assert.match(ioctlError("CREATE_VM", ERRNO.EBUSY).message, /VirtualBox/);
  assert.match(
    ioctlError("CREATE_VM", ERRNO.ENOMEM).message,
    /^Cannot create a virtual machine: .*ENOMEM \(the/,
  );
});

Deno.test("the processor's flags are read from cpuinfo text", () => {
  assert.equal(cpuVirtualization("flags\t\t: fpu vmx sse\n"), "vmx");
  assert.equal(cpuVirtualization("flags\t\t: fpu svm sse\n"), "svm");
  assert.equal(cpuVirtualization("flags\t\t: fpu svme vmxx\n"), "none");
  assert.equal(cpuVirtualization(""), "none");
});

Deno.test("CPUID entries survive their coding, indices included", () => {
  const entries = [
    { leaf: 1, subleaf: 0, indexed: false, eax: 0xffffffff, ebx: 1, ecx: 2, edx: 3 },
    { leaf: 0xd, subleaf: 1, indexed: true, eax: 4, ebx: 5, ecx: 6, edx: 7 },
  ];
  assert.deepEqual(decodeCpuid(encodeCpuid(entries)), entries);
});
