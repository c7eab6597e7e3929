import assert from "node:assert/strict";
import { Trace } from "../base/trace.ts";
import { Bus } from "../io/bus.ts";
import type { Width, Window } from "../io/device.ts";
import { EXIT, type Exit, type ExitKind } from "../vendor/ops.ts";
import { type ExitWorld, handleExit, NEXT } from "./exits.ts";
import type { Outcome } from "./outcome.ts";

class Latch implements Window {
  readonly length = 4;
  readonly unit = 4;
  readonly seen: [string, number, Width, number?][] = [];
  answer = 0x12345678;
  read(offset: number, width: Width): number {
    this.seen.push(["read", offset, width]);
    return width === 4 ? this.answer : this.answer & (width === 2 ? 0xffff : 0xff);
  }
  write(offset: number, width: Width, value: number): void {
    this.seen.push(["write", offset, width, value]);
  }
}

function rig() {
  const trace = new Trace();
  const ports = new Bus("port", 0x10000, trace);
  const memoryIo = new Bus("memory", 2 ** 52, trace);
  const latch = new Latch();
  ports.attach(0x80, latch, "latch");
  memoryIo.attach(0xfed00000, latch, "latch");
  const outcomes: Outcome[] = [];
  const eois: number[] = [];
  const finished: (ReturnType<ExitWorld["finish"]>)[] = [undefined];
  const world: ExitWorld = {
    ports,
    memoryIo,
    readMsr: (index) => index === 0x10 ? 7n : undefined,
    writeMsr: (index) => index === 0x10,
    finish: () => finished[0],
    endOfInterrupt: (vector) => eois.push(vector),
    end: (outcome) => outcomes.push(outcome),
    diagnose: (why) => `picture: ${why}`,
    traceExit: trace.point("exit"),
  };
  return { world, latch, outcomes, eois, finished };
}

function exitOf(kind: ExitKind, members: Partial<Exit> = {}): Exit {
  return {
    kind,
    port: 0,
    width: 1,
    count: 1,
    write: false,
    gpa: 0,
    length: 0,
    data: new Uint8Array(16),
    code: 0,
    info: [],
    bytes: new Uint8Array(0),
    msr: 0,
    value: 0n,
    fault: false,
    ...members,
  };
}

Deno.test("handleExit gives string I/O to the port unit by unit, in order", () => {
  const { world, latch } = rig();
  const data = Uint8Array.of(1, 0, 2, 0, 3, 0);
  handleExit(exitOf(EXIT.IO, { port: 0x80, width: 2, count: 3, write: true, data }), world);
  assert.deepEqual(latch.seen, [["write", 0, 2, 1], ["write", 0, 2, 2], ["write", 0, 2, 3]]);
});

Deno.test("handleExit fills every unit of a string input", () => {
  const { world } = rig();
  const data = new Uint8Array(9);
  handleExit(exitOf(EXIT.IO, { port: 0x80, width: 4, count: 2, data }), world);
  assert.deepEqual([...data], [0x78, 0x56, 0x34, 0x12, 0x78, 0x56, 0x34, 0x12, 0]);
});

Deno.test("handleExit answers ones where nothing is", () => {
  const { world } = rig();
  const data = new Uint8Array(8);
  handleExit(exitOf(EXIT.IO, { port: 0x1234, width: 2, data }), world);
  handleExit(exitOf(EXIT.MMIO, { gpa: 0xd0000000, length: 4, data: data.subarray(4) }), world);
  assert.deepEqual([...data], [0xff, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff]);
});

Deno.test("handleExit splits an 8-byte memory access", () => {
  const { world, latch } = rig();
  const data = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  handleExit(exitOf(EXIT.MMIO, { gpa: 0xfed00000, length: 8, write: true, data }), world);
  assert.deepEqual(latch.seen, [["write", 0, 4, 0x04030201]]);
});

Deno.test("handleExit faults registers nobody knows and no others", () => {
  const { world } = rig();
  for (const [msr, fault] of [[0x10, false], [0x11, true]] as const) {
    const read = exitOf(EXIT.MSR_READ, { msr });
    handleExit(read, world);
    assert.equal(read.fault, fault);
    assert.equal(read.value, fault ? 0n : 7n);
    const write = exitOf(EXIT.MSR_WRITE, { msr, value: 1n });
    handleExit(write, world);
    assert.equal(write.fault, fault);
  }
});

Deno.test("handleExit names every end", () => {
  const cases: [Partial<Exit> & { kind: ExitKind }, Outcome["kind"]][] = [
    [{ kind: EXIT.SHUTDOWN }, "triple-fault"],
    [{ kind: EXIT.SYSTEM_EVENT, code: 1 }, "poweroff"],
    [{ kind: EXIT.SYSTEM_EVENT, code: 2 }, "reset"],
    [{ kind: EXIT.SYSTEM_EVENT, code: 3 }, "panic"],
    [{ kind: EXIT.SYSTEM_EVENT, code: 9 }, "host-error"],
    [{ kind: EXIT.INTERNAL_ERROR, code: 1 }, "emulation-failure"],
    [{ kind: EXIT.INTERNAL_ERROR, code: 3, info: [1n] }, "host-error"],
    [{ kind: EXIT.FAIL_ENTRY, code: 0x80000021 }, "host-error"],
    [{ kind: EXIT.DEBUG }, "host-error"],
    [{ kind: EXIT.UNKNOWN }, "host-error"],
    [{ kind: EXIT.OTHER, code: 99 }, "host-error"],
  ];
  for (const [members, kind] of cases) {
    const { world, outcomes } = rig();
    assert.equal(handleExit(exitOf(members.kind, members), world), NEXT.RUN);
    assert.deepEqual(outcomes.map((outcome) => outcome.kind), [kind]);
  }
});

Deno.test("handleExit halts on HLT only and passes on ends of interrupts", () => {
  const { world, outcomes, eois } = rig();
  assert.equal(handleExit(exitOf(EXIT.HLT), world), NEXT.HALT);
  for (const kind of [EXIT.INTERRUPT_WINDOW, EXIT.INTERRUPTED, EXIT.AGAIN, EXIT.TPR]) {
    assert.equal(handleExit(exitOf(kind), world), NEXT.RUN);
  }
  handleExit(exitOf(EXIT.EOI, { code: 0x31 }), world);
  assert.deepEqual(eois, [0x31]);
  assert.deepEqual(outcomes, []);
});

Deno.test("handleExit answers an unknown hypercall with -KVM_ENOSYS", () => {
  const { world } = rig();
  const exit = exitOf(EXIT.HYPERCALL, { code: 77 });
  handleExit(exit, world);
  assert.equal(BigInt.asIntN(64, exit.value), -1000n);
});

Deno.test("handleExit has an instruction finished that the engine lacks, and does what that left to do", () => {
  const failed = exitOf(EXIT.INTERNAL_ERROR, { code: 1 });
  for (
    const [answer, next, end] of [
      ["done", NEXT.RUN, undefined],
      ["halted", NEXT.HALT, undefined],
      ["later", NEXT.LEAVE, undefined],
      ["shutdown", NEXT.RUN, "triple-fault"],
      [undefined, NEXT.RUN, "emulation-failure"],
    ] as const
  ) {
    const { world, outcomes, finished } = rig();
    finished[0] = answer;
    assert.equal(handleExit(failed, world), next, answer);
    assert.equal(outcomes[0]?.kind, end, answer);
  }
});
