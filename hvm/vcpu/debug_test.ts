import assert from "node:assert/strict";
import { GuestMemory } from "../base/memory.ts";
import { type DebugPlan, type DebugStop, EXIT, type Exit, type VendorOps } from "../vendor/ops.ts";
import { type CpuState, CR0, CR4, EFER, resetState } from "../x86/state.ts";
import { DebuggedCpu, type HoldReason } from "./debug.ts";
import type { Outcome } from "./outcome.ts";

const PAGE = 0x1000;

/** A processor in 64-bit mode whose second GiB's first page is at 5000h and whose next is not mapped. */
function rig() {
  const memory = new GuestMemory();
  memory.map(0, { name: "ram", bytes: new Uint8Array(0x10000) });
  const state: CpuState = resetState();
  state.cr0 = BigInt(CR0.PE) | BigInt(CR0.PG);
  state.cr3 = 0x1000n;
  state.cr4 = BigInt(CR4.PAE);
  state.efer = BigInt(EFER.LMA);
  memory.writeU64(0x1000, 0x2001n);
  memory.writeU64(0x2008, 0x3001n);
  memory.writeU64(0x3000, 0x4001n);
  memory.writeU64(0x4000, 0x5001n);
  const plans: DebugPlan[] = [];
  const written: [number, number][] = [];
  const reasons: HoldReason[] = [];
  const outcomes: Outcome[] = [];
  const engine = { refuses: false, stop: "none" as DebugStop | "none" | "guest" };
  const ops = {
    readState: () => structuredClone(state),
    memoryWritten: (_cpu: object, gpa: number, bytes: number) => written.push([gpa, bytes]),
    setDebug: (_cpu: object, plan: DebugPlan) => {
      plans.push(plan);
      return !engine.refuses;
    },
    debugStop: () => engine.stop,
  } as unknown as VendorOps<object>;
  const cpu = new DebuggedCpu({
    ops,
    cpu: {},
    memory,
    end: (outcome) => outcomes.push(outcome),
    describe: () => "registers",
    serve: () => {},
    stopped: (reason) => reasons.push(reason),
  });
  cpu.attached = true;
  const exit = (kind: Exit["kind"]) => ({ kind }) as Exit;
  return { cpu, memory, plans, written, reasons, outcomes, engine, exit, last: () => plans.at(-1) };
}

const GIB = 1n << 30n;

Deno.test("DebuggedCpu reads and writes by the guest's tables, as far as they go", () => {
  const { cpu, memory, written } = rig();
  memory.write(0x5ffc, Uint8Array.of(1, 2, 3, 4));
  assert.deepEqual([...cpu.memory.read(GIB + 0xffcn, 8)], [1, 2, 3, 4]);
  assert.equal(cpu.memory.read(GIB + BigInt(PAGE), 8).length, 0);
  assert.equal(cpu.memory.write(GIB + 0xffcn, new Uint8Array(8)), false);
  assert.deepEqual([...memory.read(0x5ffc, 4)], [1, 2, 3, 4]);
  assert.equal(cpu.memory.write(GIB + 0x10n, Uint8Array.of(9, 8)), true);
  assert.deepEqual([...memory.read(0x5010, 2)], [9, 8]);
  assert.deepEqual(written, [[0x5010, 2]]);
  // No entry was touched: accessed and dirty bits are the guest's.
  assert.equal(memory.readU64(0x4000), 0x5001n);
});

Deno.test("DebuggedCpu waits for its debugger, and arms while it runs only", () => {
  const { cpu, last } = rig();
  assert.ok(cpu.held);
  assert.ok(cpu.points.set("software", 0x10n, 1));
  assert.deepEqual(last()?.software, []);
  cpu.resume(false);
  assert.deepEqual(last()?.software, [0x10n]);
  assert.equal(last()?.step, false);
  cpu.hold();
  assert.deepEqual(last()?.software, []);
  cpu.resume(true);
  assert.ok(cpu.stepping && last()?.step);
});

Deno.test("DebuggedCpu forgets a point the engine has no room for", () => {
  const { cpu, engine, last } = rig();
  engine.refuses = true;
  assert.ok(!cpu.points.set("write", 0x10n, 4));
  engine.refuses = false;
  cpu.points.set("hardware", 0x20n, 1);
  cpu.resume(false);
  assert.deepEqual(last()?.watches, []);
  assert.deepEqual(last()?.hardware, [0x20n]);
  cpu.points.clear("hardware", 0x20n, 1);
  assert.deepEqual(last()?.hardware, []);
});

Deno.test("DebuggedCpu is held by what is the debugger's, and by nothing that is the guest's", () => {
  const { cpu, engine, exit, reasons } = rig();
  cpu.resume(false);
  assert.equal(cpu.caught(exit(EXIT.IO)), false);
  assert.equal(cpu.caught(exit(EXIT.DEBUG)), false);
  engine.stop = "guest";
  assert.equal(cpu.caught(exit(EXIT.DEBUG)), true);
  assert.equal(cpu.held, false);
  engine.stop = { kind: "software" };
  assert.equal(cpu.caught(exit(EXIT.DEBUG)), true);
  assert.ok(cpu.held);
  assert.deepEqual(reasons, [{ kind: "software" }]);
});

Deno.test("DebuggedCpu steps over HLT into the halt, and over what was executed in the engine's place", () => {
  const { cpu, exit, reasons } = rig();
  cpu.resume(true);
  // Not the debugger's: the loop has to see that the processor halts.
  assert.equal(cpu.caught(exit(EXIT.HLT)), false);
  assert.ok(cpu.held);
  cpu.resume(true);
  cpu.finished();
  assert.ok(cpu.held);
  cpu.resume(false);
  cpu.finished();
  assert.equal(cpu.caught(exit(EXIT.HLT)), false);
  assert.equal(cpu.held, false);
  assert.deepEqual(reasons, [{ kind: "step" }, { kind: "step" }]);
});

Deno.test("DebuggedCpu shows a triple fault to its debugger before it is the guest's end", () => {
  const { cpu, exit, reasons, outcomes } = rig();
  cpu.resume(false);
  assert.equal(cpu.caught(exit(EXIT.SHUTDOWN)), true);
  assert.deepEqual(reasons, [{ kind: "crash" }]);
  assert.deepEqual(outcomes, []);
  cpu.resume(false);
  assert.deepEqual(outcomes, [{ kind: "triple-fault", diagnosis: "registers" }]);
  const alone = rig();
  alone.cpu.attached = false;
  alone.cpu.resume(false);
  assert.equal(alone.cpu.caught(alone.exit(EXIT.SHUTDOWN)), false);
});
