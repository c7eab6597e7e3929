import assert from "node:assert/strict";
import { kick, type KickHandle } from "../kvm/kick.ts";
import { KvmSystem } from "../kvm/system.ts";
import { KvmVm } from "../kvm/vm.ts";
import { mapAnonymous } from "../sys/memory.ts";
import { monotonicNs } from "../sys/timers.ts";
import { Asm } from "../testing/asm.ts";
import { kvmTest } from "../testing/kvm.ts";
import { closeMachine, createMachine } from "./kvm_machine.ts";
import { EXIT, type ExitKind } from "./ops.ts";
import { AT, guest, hostProbe } from "./vendor_rig.ts";

/** Runs `program` in a worker and kicks it `rounds` times, each kick waiting for the answer to the one before. */
async function kickRounds(program: (a: Asm) => void, rounds: number, seenAt: ExitKind | 0 = 0) {
  const system = KvmSystem.open();
  const { vendor, caps } = hostProbe();
  const handle = createMachine(system, {
    vendor,
    irqchip: "user",
    identityMap: 0xfffbc000,
    taskState: 0xfffbd000,
  });
  system.close();
  const mapping = mapAnonymous(AT.RAM_END);
  const asm = new Asm({ origin: AT.CODE, bits: 16 });
  program(asm);
  mapping.bytes.set(asm.assemble(), AT.CODE);
  const url = new URL("./vendor_worker_rig.ts", import.meta.url).href;
  const worker = new Worker(url, { type: "module" });
  const message = () => new Promise((done) => worker.onmessage = (event) => done(event.data));
  const words = new SharedArrayBuffer(12);
  const turns = new Int32Array(words);
  KvmVm.attach(handle.vmFd, handle.vcpuMapSize)
    .setMemory({ slot: 0, gpa: 0, length: AT.RAM_END, address: mapping.address });
  const first = message();
  worker.postMessage({
    handle,
    caps,
    ramAddress: mapping.address,
    ramLength: AT.RAM_END,
    words,
    seenAt,
    limitNs: 20e9,
  });
  const kickHandle = await first as KickHandle;
  const last = message();
  const end = monotonicNs() + 20e9;
  for (let i = 1; i <= rounds; i++) {
    Atomics.store(turns, 0, i);
    kick(kickHandle);
    while (Atomics.load(turns, 1) < i) {
      assert.ok(monotonicNs() < end, `kick ${i} was lost`);
      Atomics.wait(turns, 1, i - 1, 100);
    }
  }
  Atomics.store(turns, 2, 1);
  kick(kickHandle);
  const result = await last as { kinds: number[]; halts: number; late: boolean };
  assert.equal(kick(kickHandle), false);
  worker.terminate();
  closeMachine(handle);
  mapping.unmap();
  return result;
}

kvmTest("a processor on another thread is kicked out of a busy guest every time", {}, async () => {
  const { kinds, late } = await kickRounds((a) => a.label("again").inc("ax").jmp("again"), 300);
  assert.equal(late, false);
  assert.deepEqual(kinds, [EXIT.INTERRUPTED]);
});

kvmTest("kicks reach a guest that exits all the time", {}, async () => {
  const { kinds, late } = await kickRounds(
    (a) => a.label("again").out(0x80, "al").jmp("again"),
    300,
    EXIT.IO,
  );
  assert.equal(late, false);
  assert.ok(kinds.includes(EXIT.IO));
});

kvmTest("kicks wake a halted processor every time", {}, async () => {
  const { kinds, halts, late } = await kickRounds((a) => a.label("again").hlt().jmp("again"), 300, EXIT.HLT);
  assert.equal(late, false);
  assert.ok(kinds.includes(EXIT.HLT));
  assert.ok(halts >= 299, `${halts}`);
});

kvmTest("an alarm ends a run at its deadline", {}, () => {
  using g = guest((a) => a.sti().label("again").inc("ax").jmp("again"));
  for (let i = 0; i < 5; i++) {
    const deadline = monotonicNs() + 1_500_000;
    g.cpu.kick.setAlarm(deadline);
    assert.equal(g.run().kind, EXIT.INTERRUPTED);
    assert.ok(monotonicNs() >= deadline);
    g.cpu.kick.take();
  }
});
