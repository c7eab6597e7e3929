/**
 * A processor's thread: builds the board, makes the processor, runs both until they end.
 *
 * With one processor this thread owns all devices. Its event loop does not turn while the guest runs: what others want
 * of it comes through the shared words of `Channel` and a kick.
 *
 * The module is its own worker: from source it is loaded again by its own URL, in the packed executable the bundle is,
 * and either way the worker's name says that it is one.
 * @module
 */

import { HostError } from "../base/errors.ts";
import { Trace } from "../base/trace.ts";
import { viewGuestRam } from "../host/guest_ram.ts";
import { MonotonicClock } from "../host/monotonic.ts";
import { TraceWriter } from "../host/trace_writer.ts";
import { Bus } from "../io/bus.ts";
import { DebuggedCpu, type DebugPort, NO_DEBUGGER } from "../vcpu/debug.ts";
import { pictureText } from "../vcpu/diagnose.ts";
import type { ExitWorld } from "../vcpu/exits.ts";
import { type LoopParts, REQUEST, runLoop } from "../vcpu/loop.ts";
import type { Outcome } from "../vcpu/outcome.ts";
import type { CpuState } from "../x86/state.ts";
import { PcBoard } from "./board_pc.ts";
import { Channel } from "./channel.ts";
import type { DebugSession } from "./debug_session.ts";
import { buildFabric } from "./fabric.ts";
import type { EngineThread } from "./engine_thread.ts";
import { foreignComponents, openKvmThread, supportedLeaves } from "./kvm_engine.ts";
import type { Finisher } from "./finisher.ts";
import type { InterruptFabric } from "./interrupts.ts";
import {
  type PrepareRequest,
  type ThreadMessage,
  type ThreadRequest,
  VCPU_WORKER,
} from "./thread_messages.ts";

/** One past the last port. */
const PORT_LIMIT = 0x10000;
/** One past the highest guest-physical address. */
const MEMORY_LIMIT = 2 ** 52;

/** A thread from the main thread's side. */
export interface VcpuThread {
  readonly worker: Worker;
  /** Settles when the thread listens to requests; what is posted earlier may be lost. */
  readonly ready: Promise<void>;
}

/** Starts a thread. */
export function startVcpuThread(): VcpuThread {
  const worker = new Worker(import.meta.url, { type: "module", name: VCPU_WORKER });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  worker.onmessage = () => resolve();
  worker.onerror = (event) => {
    event.preventDefault();
    reject(new Error(`Cannot start a processor's thread: ${event.message}`));
  };
  promise.catch(() => {}); // whoever waits for it hears of it; nobody may get that far
  return { worker, ready: promise };
}

/** The worker's side of a worker. */
interface WorkerScope {
  readonly name: string;
  onmessage: ((event: MessageEvent<ThreadRequest>) => void) | null;
  postMessage(message: ThreadMessage): void;
}

const scope = globalThis as unknown as WorkerScope;
if (scope.name === VCPU_WORKER && typeof WorkerGlobalScope !== "undefined") {
  let preparing: Promise<Prepared | undefined> = Promise.resolve(undefined);
  // A debugger stays when its machine resets.
  let session: DebugSession | undefined;
  const prepare = async (data: PrepareRequest) => {
    // Code of an engine is loaded when it is used: KVM guests start without the soft engine's.
    if (data.machine === undefined) softEngine ??= await import("./soft_engine.ts");
    const tell = (message: ThreadMessage) => scope.postMessage(message);
    if (data.debugged && session === undefined) {
      const { DebugSession } = await import("./debug_session.ts");
      session = new DebugSession(new Channel(data.channel), () => tell({ type: "debugger" }));
    }
    return new Prepared(data, tell, session);
  };
  scope.onmessage = ({ data }) => {
    switch (data.type) {
      case "prepare":
        preparing = prepare(data);
        return;
      case "run":
        void preparing.then(async (prepared) => scope.postMessage(await prepared!.run(data.entry)));
        return;
      case "cancel":
        void preparing.then((prepared) => {
          prepared?.close();
          scope.postMessage({ type: "cancelled" });
        });
        return;
    }
  };
  scope.postMessage({ type: "ready" });
  warmUp();
}

let softEngine: typeof import("./soft_engine.ts") | undefined;
/** Loaded when KVM meets the first instruction it cannot emulate. */
let finisher: typeof import("./finisher.ts") | undefined;

/** Does what every run needs while the main thread still reads files. */
function warmUp(): void {
  try {
    supportedLeaves();
  } catch (error) {
    // Without KVM the main thread says so; here nobody has asked yet.
    if (!(error instanceof HostError)) throw error;
  }
}

/** A machine on this thread, from its making to its end. What fails on the way is the outcome of its run. */
class Prepared {
  readonly #trace = new Trace();
  readonly #writer: TraceWriter | undefined;
  #engine: EngineThread<unknown> | undefined;
  #machine: RunningMachine | undefined;
  #failure: Outcome | undefined;

  constructor(
    request: PrepareRequest,
    tell: (message: ThreadMessage) => void,
    session: DebugSession | undefined,
  ) {
    if (request.traceFd !== undefined) {
      this.#trace.listen((this.#writer = new TraceWriter(request.traceFd)).sink);
    }
    this.#attempt(() => {
      const memory = viewGuestRam(request.ram);
      const { machine, caps, cpuid, ram } = request;
      if (machine === undefined) {
        this.#engine = softEngine!.openSoftThread(ram, caps, cpuid, request.soft) as EngineThread<unknown>;
      } else {
        const shown = { ...cpuid, supported: supportedLeaves() };
        this.#engine = openKvmThread(machine, caps, shown, memory) as EngineThread<unknown>;
      }
      this.#machine = new RunningMachine(request, this.#engine, { trace: this.#trace, tell, session });
    });
  }

  /** Runs the guest to its end and takes the machine apart. */
  async run(entry: CpuState): Promise<ThreadMessage> {
    const machine = this.#machine;
    let outcome = this.#attempt(() => machine?.run(entry));
    while (outcome === undefined && machine !== undefined && this.#failure === undefined) {
      finisher ??= await import("./finisher.ts");
      outcome = this.#attempt(() => machine.resume());
    }
    const battery = machine?.board.battery();
    const digest = await this.#engine?.digest?.();
    this.close();
    return {
      type: "ended",
      outcome: this.#failure ?? outcome!,
      counts: this.#trace.counts(),
      ...(battery === undefined ? {} : { battery }),
      ...(digest === undefined ? {} : { digest }),
    };
  }

  /** Gives back what belongs to the thread. */
  close(): void {
    this.#attempt(() => {
      this.#engine?.close();
      this.#engine = undefined;
      this.#writer?.flush();
    });
  }

  /** The result of `work`; the first failure is kept. */
  #attempt<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      this.#failure ??= { kind: "host-error", message: messageOf(error), diagnosis: "" };
      return undefined;
    }
  }
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // A HostError is a sentence for the user; anything else is a mistake of ours, and its place helps.
  return error.name === "HostError" ? error.message : error.stack ?? error.message;
}

/** What outlives a run. */
interface RunSurroundings {
  readonly trace: Trace;
  readonly tell: (message: ThreadMessage) => void;
  /** Absent when no debugger may come. */
  readonly session: DebugSession | undefined;
}

/** One run of one machine. */
class RunningMachine {
  readonly board: PcBoard;
  readonly #request: PrepareRequest;
  readonly #engine: EngineThread<unknown>;
  readonly #trace: Trace;
  readonly #tell: (message: ThreadMessage) => void;
  readonly #channel: Channel;
  readonly #clock: MonotonicClock;
  readonly #ports: Bus;
  readonly #memoryIo: Bus;
  readonly #fabric: InterruptFabric;
  /** Input that goes to the first serial port before what is in the ring. */
  readonly #again: number[] = [];
  readonly #debugger: DebugPort;
  #outcome: Outcome | undefined;
  #finisher: Finisher<unknown> | undefined;

  constructor(
    request: PrepareRequest,
    engine: EngineThread<unknown>,
    { trace, tell, session }: RunSurroundings,
  ) {
    this.#request = request;
    this.#engine = engine;
    this.#trace = trace;
    this.#tell = tell;
    this.#channel = new Channel(request.channel);
    const { shape, irqchip: mode, ram, epochMs, commandLine, battery } = request;
    const { timeNs } = engine;
    const clock = this.#clock = new MonotonicClock(timeNs === undefined ? {} : { host: timeNs });
    const ports = this.#ports = new Bus("port", PORT_LIMIT, trace);
    const memoryIo = this.#memoryIo = new Bus("memory", MEMORY_LIMIT, trace);
    const { kernel, apic } = engine;
    const fabric = this.#fabric = buildFabric({ mode, shape, clock, ports, memoryIo, kernel, apic });
    const memory = viewGuestRam(ram);
    engine.connect({ ports, memoryIo, fabric, clock, memory });
    this.board = new PcBoard({
      shape,
      clock,
      memory,
      commandLine,
      ports,
      memoryIo,
      fabric,
      kernelPit: mode === "kernel",
      epochMs,
      ...(battery === undefined ? {} : { battery }),
      serialOutput: (byte) => this.#output(byte),
      serialReady: () => this.#input(),
      serialReturned: (bytes) => this.#again.unshift(...bytes),
      debugOutput: (byte) => this.#debug(byte),
      end: (outcome) => this.#end(outcome),
    });
    this.#debugger = session === undefined ? NO_DEBUGGER : this.#debugged(session);
    this.#type();
  }

  #debugged(session: DebugSession): DebugPort {
    const { ops, cpu } = this.#engine;
    const target = new DebuggedCpu({
      ops,
      cpu,
      memory: viewGuestRam(this.#request.ram),
      end: (outcome) => this.#end(outcome),
      // Why it stopped the debugger knows.
      describe: () => this.#diagnose("").split("\n").slice(1).join("\n"),
      serve: () => session.serve(),
      stopped: (reason) => session.stopped(reason),
    });
    session.take(target);
    return target;
  }

  /** Has the texts of the configuration typed when their instructions are reached. */
  #type(): void {
    const { instructionNs } = this.#engine;
    if (instructionNs === undefined) return;
    for (const { at, text } of this.#request.typed) {
      const bytes = new TextEncoder().encode(text);
      this.#clock.timer(() => {
        this.#again.push(...bytes);
        this.#input();
      }).arm(at * instructionNs);
    }
  }

  /** Runs the guest from its entry to its end; undefined when it needs the finisher loaded, and is to be resumed then. */
  run(entry: CpuState): Outcome | undefined {
    const { ops, cpu } = this.#engine;
    const fabric = this.#fabric;
    ops.writeState(cpu, entry);
    if (fabric.apicBase !== undefined) ops.setApicBase(cpu, fabric.apicBase);
    const placed = { ports: this.#ports.map(), memory: this.#memoryIo.map() };
    this.#tell({ type: "running", kick: this.#engine.kick, placed });
    return runLoop(this.#loopParts());
  }

  /** Goes on after the finisher was loaded. */
  resume(): Outcome | undefined {
    return runLoop(this.#loopParts(), true);
  }

  #loopParts(): LoopParts<unknown> {
    const { ops, cpu, exit } = this.#engine;
    const clock = this.#clock;
    const channel = this.#channel;
    const fabric = this.#fabric;
    return {
      ops,
      cpu,
      exit,
      delivery: fabric.delivery(ops, cpu),
      clock: {
        now: () => clock.now(),
        deadline: () => clock.deadline(),
        run: () => void clock.run(),
        pause: () => clock.pause(),
        resume: () => clock.resume(),
      },
      thread: {
        takeRequests: () => channel.takeRequests(),
        wait: (deadline) => this.#engine.wait(clock.hostTime(deadline)),
        setAlarm: (deadline) => this.#engine.setAlarm(clock.hostTime(deadline)),
        takeKick: () => this.#engine.takeKick(),
      },
      world: this.#world(this.#ports, this.#memoryIo, fabric),
      debug: this.#debugger,
      drain: () => this.#engine.drain(this.#ports, this.#memoryIo),
      outcome: () => this.#outcome,
      onRequest: (bits) => {
        if ((bits & REQUEST.INPUT) !== 0) this.#input();
        if ((bits & REQUEST.POWER_BUTTON) !== 0) this.board.power.pressPowerButton();
        if ((bits & REQUEST.NMI) !== 0) ops.inject(cpu, { kind: "nmi" });
      },
      onPaused: (paused) => this.#tell({ type: "paused", paused }),
    };
  }

  #world(ports: Bus, memoryIo: Bus, fabric: InterruptFabric): ExitWorld {
    return {
      ports,
      memoryIo,
      readMsr: (index) => fabric.readMsr(index),
      writeMsr: (index, value) => fabric.writeMsr(index, value),
      finish: () => this.#finish(),
      endOfInterrupt: (vector) => fabric.endOfInterrupt(vector),
      end: (outcome) => this.#end(outcome),
      diagnose: (why) => this.#diagnose(why),
      traceExit: this.#trace.point("exit"),
    };
  }

  /** Has hvm's processor execute what KVM could not. */
  #finish(): "done" | "halted" | "shutdown" | "later" | undefined {
    if (finisher === undefined) return "later";
    const { ops, cpu } = this.#engine;
    this.#finisher ??= new finisher.Finisher({
      ops,
      cpu,
      ram: this.#request.ram,
      ports: this.#ports,
      memoryIo: this.#memoryIo,
      trace: this.#trace,
      components: foreignComponents(supportedLeaves()),
      // Code that is run in place of the engine meets no breakpoints.
      run: this.#request.debugged ? 1 : this.#request.finishRun,
    });
    const { kind } = this.#finisher.finish();
    if (kind === "done") this.#debugger.finished();
    return kind === "unknown" ? undefined : kind;
  }

  /** The first end counts. */
  #end(outcome: Outcome): void {
    this.#outcome ??= outcome;
  }

  #diagnose(why: string): string {
    const { ops, cpu, exit } = this.#engine;
    const code = exit.bytes.length > 0 ? exit.bytes : ops.instructionBytes(cpu);
    const { emulationAdvice, crashAdvice } = this.#request;
    const advice = why.includes("emulate") ? emulationAdvice : why.includes("triple") ? crashAdvice : [];
    return pictureText({ why, state: ops.readState(cpu), code, advice });
  }

  /** A full ring holds the guest back until the reader has made room, or somebody stops the machine. */
  #output(byte: number): void {
    const { output } = this.#channel;
    while (!output.push(byte)) {
      if (this.#channel.isRequested(REQUEST.STOP)) return;
      this.#channel.outputIsFull();
      this.#tell({ type: "bell" });
      if (output.room === 0) this.#engine.wait(Infinity);
    }
    if (output.ring()) this.#tell({ type: "bell" });
  }

  #debug(byte: number): void {
    const { debug } = this.#channel;
    if (debug.push(byte) && debug.ring()) this.#tell({ type: "bell" });
  }

  /** Gives the first serial port what it has room for. */
  #input(): void {
    const { input } = this.#channel;
    const { com1 } = this.board;
    this.#again.splice(0, com1.receive(this.#again));
    if (this.#again.length > 0) return;
    let taken: number;
    do {
      const waiting = input.peek(64);
      if (waiting.length === 0) break;
      taken = com1.receive(waiting);
      input.skip(taken);
    } while (taken > 0);
    if (input.room > 0 && this.#channel.takeRoomWanted()) this.#tell({ type: "room" });
  }
}
