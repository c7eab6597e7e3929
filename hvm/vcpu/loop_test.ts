import assert from "node:assert/strict";
import { Trace } from "../base/trace.ts";
import { Bus } from "../io/bus.ts";
import { FakeClock } from "../testing/rig.ts";
import {
  type CpuEvent,
  EXIT,
  type Exit,
  type ExitKind,
  type FastState,
  type VendorOps,
} from "../vendor/ops.ts";
import { type EventDelivery, type LocalApic, SplitDelivery, UserDelivery } from "./events.ts";
import { type DebugPort, NO_DEBUGGER } from "./debug.ts";
import type { ExitWorld } from "./exits.ts";
import { REQUEST, runLoop } from "./loop.ts";
import type { Outcome } from "./outcome.ts";

/** An engine that plays a script of exits; each step may look at the rig. */
function engine(script: (() => Partial<Exit> & { kind: ExitKind })[]) {
  const injected: CpuEvent[] = [];
  const windows: boolean[] = [];
  const fast = { rip: 0n, interruptsEnabled: true, readyForInterrupt: true, cr8: 0, apicBase: 0xfee00900n };
  let step = 0;
  const ops = {
    run: (_cpu: object, exit: Exit) => {
      const next = script[step++];
      if (next === undefined) throw new Error("the script is over");
      Object.assign(exit, next());
    },
    fast: (): FastState => fast,
    requestWindow: (_cpu: object, wanted: boolean) => windows.push(wanted),
    setCr8: (_cpu: object, cr8: number) => fast.cr8 = cr8,
    inject: (_cpu: object, event: CpuEvent) => injected.push(event),
  } as unknown as VendorOps<object>;
  return { ops, injected, windows, fast, steps: () => step };
}

function rig(
  script: (() => Partial<Exit> & { kind: ExitKind })[],
  delivery?: (e: ReturnType<typeof engine>) => EventDelivery,
) {
  const e = engine(script);
  const clock = new FakeClock();
  const log: string[] = [];
  let requests = 0;
  let outcome: Outcome | undefined;
  const trace = new Trace();
  const world: ExitWorld = {
    ports: new Bus("port", 0x10000),
    memoryIo: new Bus("memory", 2 ** 52),
    readMsr: () => undefined,
    writeMsr: () => false,
    endOfInterrupt: () => {},
    finish: () => "later",
    end: (o) => outcome = o,
    diagnose: (why) => why,
    traceExit: trace.point("exit"),
  };
  const waits: ((deadline: number) => void)[] = [];
  const parts = {
    ops: e.ops,
    cpu: {},
    exit: { data: new Uint8Array(8), info: [], count: 1, width: 1 } as unknown as Exit,
    delivery: delivery?.(e) ?? { beforeRun: () => {}, afterRun: () => {}, canWake: () => true },
    clock: {
      now: () => clock.now(),
      deadline: () => clock.deadline(),
      run: () => clock.advance(0),
      pause: () => log.push("clock stops"),
      resume: () => log.push("clock goes on"),
    },
    thread: {
      takeRequests: () => {
        const bits = requests;
        requests = 0;
        return bits;
      },
      wait: (deadline: number) => {
        log.push(`wait ${deadline}`);
        const act = waits.shift();
        if (act === undefined) throw new Error("nobody would wake this thread");
        act(deadline);
      },
      setAlarm: (deadline: number) => log.push(`alarm ${deadline}`),
      takeKick: () => log.push("kick taken"),
    },
    world,
    debug: NO_DEBUGGER as DebugPort,
    drain: () => {},
    outcome: () => outcome,
    onRequest: (bits: number) => log.push(`request ${bits}`),
    onPaused: (paused: boolean) => log.push(paused ? "paused" : "resumed"),
  };
  return { ...e, clock, log, waits, parts, trace, request: (bits: number) => requests |= bits };
}

const powerOff = () => ({ kind: EXIT.SYSTEM_EVENT, code: 1 });

Deno.test("runLoop runs until there is an outcome and counts exits", () => {
  const r = rig([() => ({ kind: EXIT.AGAIN }), () => ({ kind: EXIT.AGAIN }), powerOff]);
  assert.deepEqual(runLoop(r.parts), { kind: "poweroff" });
  assert.equal(r.steps(), 3);
  assert.deepEqual(r.trace.counts(), { exit: 3 });
});

Deno.test("runLoop stops on request before the next entry", () => {
  const r = rig([() => {
    r.request(REQUEST.STOP);
    return { kind: EXIT.INTERRUPTED };
  }]);
  assert.deepEqual(runLoop(r.parts), { kind: "stopped", diagnosis: "it was stopped" });
  assert.deepEqual(r.log, ["kick taken"]);
});

Deno.test("runLoop sleeps in a halt until a deadline fires that can wake it", () => {
  let pending = false;
  const r = rig(
    [() => ({ kind: EXIT.HLT }), powerOff],
    () => ({ beforeRun: () => {}, afterRun: () => {}, canWake: () => pending }),
  );
  r.clock.timer(() => pending = true).arm(5000);
  r.waits.push((deadline) => r.clock.advance(deadline / 2), (deadline) => r.clock.advance(deadline));
  runLoop(r.parts);
  assert.deepEqual(r.log.filter((line) => line.startsWith("wait")), ["wait 5000", "wait 5000"]);
});

Deno.test("runLoop sets the alarm again after it may have rung, and only when it moved", () => {
  const r = rig([
    () => ({ kind: EXIT.AGAIN }),
    () => ({ kind: EXIT.INTERRUPTED }),
    powerOff,
  ]);
  r.clock.timer(() => {}).arm(900);
  runLoop(r.parts);
  assert.deepEqual(r.log, ["alarm 900", "kick taken", "alarm 900"]);
});

Deno.test("runLoop stands still while paused, serves requests, and resumes", () => {
  const r = rig([() => {
    r.request(REQUEST.PAUSE);
    return { kind: EXIT.INTERRUPTED };
  }, powerOff]);
  r.waits.push(() => r.request(REQUEST.INPUT), () => r.request(REQUEST.RESUME));
  runLoop(r.parts);
  assert.deepEqual(r.log, [
    "kick taken",
    "clock stops",
    "paused",
    "wait Infinity",
    `request ${REQUEST.INPUT}`,
    "wait Infinity",
    "clock goes on",
    "resumed",
  ]);
  assert.equal(r.steps(), 2);
});

Deno.test("runLoop can be stopped while it is paused", () => {
  const r = rig([]);
  r.request(REQUEST.PAUSE);
  r.waits.push(() => r.request(REQUEST.STOP));
  assert.deepEqual(runLoop(r.parts), { kind: "stopped", diagnosis: "it was stopped" });
});

function apic(changes: Partial<LocalApic> = {}): LocalApic & { queue: number[] } {
  const queue: number[] = [];
  return {
    queue,
    highestPending: () => queue[0] ?? -1,
    acknowledge: () => queue.shift() ?? -1,
    acceptsExtInt: false,
    nmiPending: false,
    takeNmi: () => false,
    cr8: 0,
    setCr8: () => {},
    apicBase: 0xfee00900n,
    setApicBase: () => {},
    ...changes,
  };
}

function pic(vectors: number[]) {
  return {
    get pending() {
      return vectors.length > 0;
    },
    acknowledge: () => vectors.shift()!,
  };
}

Deno.test("runLoop stands still while a debugger holds its processor, the clock too", () => {
  const r = rig([() => ({ kind: EXIT.DEBUG }), powerOff]);
  const debug = {
    held: true,
    stepping: false,
    serve: () => {
      r.log.push("served");
      debug.held = false;
    },
    finished: () => {},
    caught: (exit: Exit) => debug.held = exit.kind === EXIT.DEBUG,
  };
  const served = () => void r.request(REQUEST.DEBUG);
  r.waits.push(served, served);
  assert.deepEqual(runLoop({ ...r.parts, debug }), { kind: "poweroff" });
  const hold = ["clock stops", "wait Infinity", "served", "clock goes on"];
  assert.deepEqual(r.log, [...hold, ...hold]);
  assert.equal(r.steps(), 2);
});

Deno.test("runLoop can be stopped while a debugger holds its processor", () => {
  const r = rig([]);
  r.waits.push(() => void r.request(REQUEST.STOP));
  const debug = { ...NO_DEBUGGER, held: true };
  assert.equal(runLoop({ ...r.parts, debug })?.kind, "stopped");
});

Deno.test("runLoop delivers no interrupt before a debugger's step", () => {
  const log: string[] = [];
  const r = rig([() => ({ kind: EXIT.AGAIN }), powerOff], () => ({
    beforeRun: () => void log.push("deliver"),
    afterRun: () => {},
    canWake: () => true,
  }));
  const debug = { ...NO_DEBUGGER, stepping: true, caught: () => debug.stepping = false };
  runLoop({ ...r.parts, debug });
  assert.deepEqual(log, ["deliver"]);
});

Deno.test("UserDelivery injects one vector an entry and asks for a window for the next", () => {
  const e = engine([]);
  const a = apic();
  a.queue.push(0x40, 0x30);
  const delivery = new UserDelivery(e.ops, {}, a, pic([]));
  delivery.beforeRun();
  assert.deepEqual(e.injected, [{ kind: "interrupt", vector: 0x40 }]);
  assert.deepEqual(e.windows, [true]);
  delivery.beforeRun();
  assert.deepEqual(e.injected.map((event) => event.kind === "interrupt" && event.vector), [0x40, 0x30]);
  assert.deepEqual(e.windows, [true, false]);
});

Deno.test("UserDelivery keeps a vector that cannot be taken now", () => {
  const e = engine([]);
  e.fast.readyForInterrupt = false;
  const a = apic();
  a.queue.push(0x40);
  const delivery = new UserDelivery(e.ops, {}, a, pic([]));
  delivery.beforeRun();
  assert.deepEqual([e.injected, e.windows, a.queue], [[], [true], [0x40]]);
});

Deno.test("UserDelivery lets the PIC through only while LINT0 takes external interrupts", () => {
  for (const acceptsExtInt of [true, false]) {
    const e = engine([]);
    new UserDelivery(e.ops, {}, apic({ acceptsExtInt }), pic([8])).beforeRun();
    assert.equal(e.injected.length, acceptsExtInt ? 1 : 0);
  }
  const alone = engine([]);
  new UserDelivery(alone.ops, {}, undefined, pic([8])).beforeRun();
  assert.deepEqual(alone.injected, [{ kind: "interrupt", vector: 8 }]);
});

Deno.test("UserDelivery wakes a halt for an interrupt only with interrupts enabled, for an NMI always", () => {
  const e = engine([]);
  e.fast.interruptsEnabled = false;
  const a = apic();
  a.queue.push(0x40);
  assert.ok(!new UserDelivery(e.ops, {}, a, pic([])).canWake());
  assert.ok(new UserDelivery(e.ops, {}, apic({ nmiPending: true }), pic([])).canWake());
  e.fast.interruptsEnabled = true;
  assert.ok(new UserDelivery(e.ops, {}, a, pic([])).canWake());
  assert.ok(!new UserDelivery(e.ops, {}, apic(), pic([])).canWake());
});

Deno.test("UserDelivery takes over the task priority and the APIC's base from the guest", () => {
  const e = engine([]);
  const seen: [string, number | bigint][] = [];
  const a = apic({ setCr8: (v) => seen.push(["cr8", v]), setApicBase: (v) => seen.push(["base", v]) });
  const delivery = new UserDelivery(e.ops, {}, a, pic([]));
  delivery.afterRun();
  assert.deepEqual(seen, []);
  Object.assign(e.fast, { cr8: 3, apicBase: 0xfee00000n });
  delivery.afterRun();
  assert.deepEqual(seen, [["cr8", 3], ["base", 0xfee00000n]]);
});

Deno.test("SplitDelivery hands the PIC's vectors over when the engine is ready", () => {
  const e = engine([]);
  const delivery = new SplitDelivery(e.ops, {}, pic([8]));
  e.fast.readyForInterrupt = false;
  delivery.beforeRun();
  assert.deepEqual([e.injected, e.windows], [[], [true]]);
  e.fast.readyForInterrupt = true;
  delivery.beforeRun();
  assert.deepEqual([e.injected.length, e.windows], [1, [true, false]]);
});
