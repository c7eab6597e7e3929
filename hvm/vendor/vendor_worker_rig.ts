/**
 * The other thread of the vendor tests: attaches to a machine by plain numbers, makes its processor there and runs it.
 * @module
 */

import { bytesAt } from "../sys/memory.ts";
import { monotonicNs } from "../sys/timers.ts";
import { emptyExit } from "./kvm_exits.ts";
import { attachMachine, type KvmMachineHandle } from "./kvm_machine.ts";
import { EXIT, type ExitKind, type VendorCaps } from "./ops.ts";
import { kvmTableFor } from "./table.ts";
import { startState } from "./vendor_rig.ts";

/** What the worker is told. */
export interface WorkerRigOrder {
  readonly handle: KvmMachineHandle;
  readonly caps: VendorCaps;
  readonly ramAddress: number;
  readonly ramLength: number;
  /** Word 0 counts the requests made, word 1 those seen, word 2 ends it. */
  readonly words: SharedArrayBuffer;
  /** The kind of exit at which requests are seen, so that the next kick meets the guest after it; 0 for any kind. */
  readonly seenAt: ExitKind | 0;
  /** Ends it whatever happens, in ns. */
  readonly limitNs: number;
}

const scope = globalThis as unknown as {
  onmessage: (event: { data: WorkerRigOrder }) => void;
  postMessage(message: unknown): void;
  close(): void;
};

scope.onmessage = ({ data: order }) => {
  const ops = kvmTableFor(order.caps);
  const ram = bytesAt(order.ramAddress, order.ramLength);
  const machine = attachMachine(order.handle, {
    read: (gpa, length) => ram.slice(gpa, gpa + length),
    write: (gpa, bytes) => ram.set(bytes, gpa),
  });
  const cpu = ops.construct(machine, 0);
  // With interrupts off the VT-x lab's processor would not take its own either, and no kick could come.
  ops.writeState(cpu, { ...startState("real"), rflags: 0x202n });
  scope.postMessage(cpu.kick.handle);
  const words = new Int32Array(order.words);
  const exit = emptyExit();
  const end = monotonicNs() + order.limitNs;
  const kinds = new Set<number>();
  let halts = 0;
  while (Atomics.load(words, 2) === 0 && monotonicNs() < end) {
    cpu.kick.setAlarm(end);
    ops.run(cpu, exit);
    kinds.add(exit.kind);
    if (exit.kind === EXIT.INTERRUPTED) cpu.kick.take();
    if (order.seenAt === 0 || exit.kind === order.seenAt) {
      Atomics.store(words, 1, Atomics.load(words, 0));
      Atomics.notify(words, 1);
    }
    if (exit.kind === EXIT.HLT && Atomics.load(words, 2) === 0) {
      halts++;
      cpu.kick.wait(end);
    }
  }
  ops.relinquish(cpu);
  scope.postMessage({ kinds: [...kinds].sort((a, b) => a - b), halts, late: monotonicNs() >= end });
  scope.close();
};
