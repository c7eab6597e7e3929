/**
 * The life of a machine as the main thread sees it: built, running, paused, ended, and everything given back.
 *
 * A reset ends one incarnation and starts the next: memory is cleared and loaded again and KVM's machine is made anew,
 * so nothing of the old one can be left over. Channel, thread and listeners stay.
 * @module
 */

import type { RtcState } from "../../devices/timer/rtc_state.ts";
import type { LoadedGuest } from "../../firmware/mod.ts";
import { ConfigError, HostError } from "../base/errors.ts";
import {
  allocateGuestRam,
  clearGuestRam,
  type GuestRam,
  releaseGuestRam,
  viewGuestRam,
} from "../host/guest_ram.ts";
import { Progress } from "../host/progress.ts";
import { kick, type KickHandle } from "../kvm/kick.ts";
import { REQUEST } from "../vcpu/loop.ts";
import type { Outcome } from "../vcpu/outcome.ts";
import { closeMachine, type KvmMachineHandle } from "../vendor/kvm_machine.ts";
import type { IrqchipMode } from "../vendor/ops.ts";
import { HOST_POLICY } from "../vendor/quirks.ts";
import { type Probe, probe } from "../vendor/probe.ts";
import { bootGuest } from "./boot.ts";
import { Channel } from "./channel.ts";
import type { MachineConfig } from "./config.ts";
import { readGuestFiles } from "./guest_files.ts";
import type { GuestFiles } from "./kernel_files.ts";
import { createKvmMachine } from "./kvm_engine.ts";
import { boardResources, type BoardShape, ramLayout } from "./layout.ts";
import type {
  CancelRequest,
  PlacedWindows,
  PrepareRequest,
  RunRequest,
  ThreadMessage,
} from "./thread_messages.ts";
import { startVcpuThread } from "./vcpu_thread.ts";

/** How a machine ended, before a script gives it its own words. */
export interface MachineResult {
  readonly outcome: Outcome;
  /** From the first entry into the guest. */
  readonly wallMs: number;
  /** Hits of trace points, over all incarnations. */
  readonly counts: Readonly<Record<string, number>>;
  /** SHA-256 of memory and processors at the end, of runs whose time is their instructions. */
  readonly digest?: string;
}

/** What a machine tells whoever runs it. */
export interface MachineListener {
  /** There are bytes in `channel.output` or `channel.debug`. */
  output(): void;
  /** There is room in `channel.input`. */
  room(): void;
  /** The guest reset itself and is started again. */
  reset(cause: string): void;
  /** The processor's thread looked at what a debugger sent. */
  debugger(): void;
}

/** How a machine is built. */
export interface BuildOptions {
  readonly progress: Progress;
  readonly signal?: AbortSignal;
  /** A descriptor for trace lines. */
  readonly traceFd?: number;
}

/** The engine of a machine and why it was taken. */
export interface MachineEngine {
  readonly probe: Probe;
  readonly irqchip: IrqchipMode;
}

const ALL_REQUESTS = -1;

/** A machine. */
export class GuestMachine {
  readonly engine: MachineEngine;
  readonly shape: BoardShape;
  readonly loaded: LoadedGuest;
  readonly channel: Channel;
  /** Settles when the machine has ended and all it had is given back; rejects never. */
  readonly ended: Promise<MachineResult>;
  readonly #listener: MachineListener;
  readonly #settle: (result: MachineResult) => void;
  #handle: KvmMachineHandle | undefined;
  #kick: KickHandle | undefined;
  #placed: PlacedWindows = { ports: [], memory: [] };
  readonly #parts: BuiltParts;
  #battery: RtcState | undefined;
  #digest: string | undefined;
  #startedAt = 0;
  #stopWanted = false;
  readonly #counts: Record<string, number> = {};

  private constructor(parts: BuiltParts, listener: MachineListener) {
    this.#parts = parts;
    this.engine = parts.engine;
    this.shape = parts.shape;
    this.loaded = parts.loaded;
    this.channel = parts.channel;
    this.#listener = listener;
    this.#handle = parts.handle;
    const { promise, resolve } = Promise.withResolvers<MachineResult>();
    this.ended = promise;
    this.#settle = resolve;
  }

  /**
   * Builds a machine; {@linkcode GuestMachine.start} runs it.
   * @throws {ConfigError} {@linkcode ImageError} {@linkcode HostError}; nothing is left behind then.
   */
  static async build(
    config: MachineConfig,
    listener: MachineListener,
    options: BuildOptions,
  ): Promise<GuestMachine> {
    await using cleanup = new AsyncDisposableStack();
    // The thread starts while files are read: both take about as long.
    const thread = cleanup.adopt(startVcpuThread(), ({ worker }) => worker.terminate());
    const engine = chooseEngine(config);
    const files = await readGuestFiles(config, options);
    options.signal?.throwIfAborted();
    const { lowBytes, highBytes } = ramLayout(config.memoryBytes);
    const ram = cleanup.adopt(allocateGuestRam(lowBytes, highBytes), releaseGuestRam);
    const shape = {
      cpus: config.cpus,
      memoryBytes: config.memoryBytes,
      lapic: config.lapic,
      ioapic: config.ioapic,
    };
    const handle = cleanup.adopt(createMachineOf(engine, ram), closeHandle);
    const { worker } = thread;
    await thread.ready;
    const channel = new Channel();
    const { commandLine } = files;
    const built = { config, commandLine, options, engine, shape, ram, worker, handle, channel };
    // From here on the thread makes processor and board, while this one loads the guest.
    worker.postMessage(prepareRequest(built));
    cleanup.adopt(worker, cancelPrepared);
    const loaded = bootGuest(config, files, viewGuestRam(ram), boardResources(shape));
    // A guest that is never started again does not hold its images in memory.
    const kept = config.onReboot === "reset" ? { files } : {};
    const machine = new GuestMachine({ ...built, ...kept, loaded }, listener);
    cleanup.move(); // all of it is the machine's now
    return machine;
  }

  /** Lets the guest run. Once. */
  start(): void {
    this.#parts.worker.onmessage = ({ data }: MessageEvent<ThreadMessage>) => this.#hear(data);
    this.#parts.worker.onerror = (event) => {
      event.preventDefault();
      const message = `The processor's thread died: ${event.message}`;
      this.#finish({ kind: "host-error", message, diagnosis: "" });
    };
    this.#startedAt = performance.now();
    this.#run(this.loaded);
  }

  /** What answers where; empty until the guest has been started. */
  get placed(): PlacedWindows {
    return this.#placed;
  }

  /** Leaves requests ({@linkcode REQUEST} bits) for the processor, and makes it look. */
  request(bits: number): void {
    if ((bits & REQUEST.STOP) !== 0) this.#stopWanted = true;
    this.channel.request(bits);
    if (this.#kick !== undefined) kick(this.#kick);
  }

  /** The bytes of `channel.output` were taken: lets a guest go on that waits for room. */
  outputTaken(): void {
    if (this.channel.takeOutputFull()) this.request(REQUEST.OUTPUT);
  }

  #run(loaded: LoadedGuest): void {
    const request: RunRequest = { type: "run", entry: loaded.entry };
    this.#parts.worker.postMessage(request);
  }

  #hear(message: ThreadMessage): void {
    switch (message.type) {
      case "running":
        this.#kick = message.kick;
        this.#placed = message.placed;
        // A request that came before there was anybody to kick.
        if (this.channel.isRequested(ALL_REQUESTS)) kick(message.kick);
        return;
      case "bell":
        return this.#listener.output();
      case "room":
        return this.#listener.room();
      case "paused":
        return;
      case "debugger":
        return this.#listener.debugger();
      case "ended":
        for (const [name, hits] of Object.entries(message.counts)) {
          this.#counts[name] = (this.#counts[name] ?? 0) + hits;
        }
        this.#battery = message.battery;
        this.#listener.output();
        this.#digest = message.digest;
        return this.#over(message.outcome);
    }
  }

  /** One incarnation is over; its thread has let go of everything. */
  #over(outcome: Outcome): void {
    this.#kick = undefined;
    const { config, files } = this.#parts;
    const again = files !== undefined && !this.#stopWanted &&
      (outcome.kind === "reset" || outcome.kind === "triple-fault");
    if (!again) return this.#finish(outcome);
    this.#listener.reset(outcome.kind === "reset" ? outcome.cause : outcome.kind);
    try {
      closeHandle(this.#handle);
      this.#handle = undefined;
      clearGuestRam(this.#parts.ram);
      this.#handle = createMachineOf(this.engine, this.#parts.ram);
      this.#parts.worker.postMessage(prepareRequest({ ...this.#parts, handle: this.#handle }, this.#battery));
      const memory = viewGuestRam(this.#parts.ram);
      const loaded = bootGuest(config, files, memory, boardResources(this.shape));
      this.#run(loaded);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#finish({
        kind: "host-error",
        message: `Cannot start the guest again: ${message}`,
        diagnosis: "",
      });
    }
  }

  #finish(outcome: Outcome): void {
    this.#parts.worker.terminate();
    closeHandle(this.#handle);
    this.#handle = undefined;
    releaseGuestRam(this.#parts.ram);
    this.#settle({
      outcome,
      wallMs: performance.now() - this.#startedAt,
      counts: this.#counts,
      ...(this.#digest === undefined ? {} : { digest: this.#digest }),
    });
  }
}

/** The machine of an engine that has one of its own. */
function createMachineOf({ probe, irqchip }: MachineEngine, ram: GuestRam): KvmMachineHandle | undefined {
  return probe.vendor === "soft" ? undefined : createKvmMachine(probe.vendor, probe.caps, irqchip, ram);
}

function closeHandle(handle: KvmMachineHandle | undefined): void {
  if (handle !== undefined) closeMachine(handle);
}

/** What a thread is asked to prepare. */
function prepareRequest(parts: Omit<BuiltParts, "loaded">, battery?: RtcState): PrepareRequest {
  const { config, engine: { probe, irqchip }, shape, options: { traceFd } } = parts;
  return {
    type: "prepare",
    channel: parts.channel.buffer,
    ram: parts.ram,
    ...(parts.handle === undefined ? {} : { machine: parts.handle }),
    irqchip,
    caps: probe.caps,
    cpuid: {
      model: config.cpu,
      userApic: irqchip === "user",
      apicExits: probe.vendor === "soft",
      tscDeadline: (probe.capabilities.TSC_DEADLINE_TIMER ?? 0) !== 0,
      hidden: probe.hiddenFeatures,
      apicId: 0,
      cpus: shape.cpus,
    },
    shape,
    epochMs: config.clock === "instructions" ? REPEATABLE_EPOCH_MS : Date.now(),
    soft: { blockCacheBytes: config.blockCache, countsTime: config.clock === "instructions" },
    typed: config.typed,
    ...(battery === undefined ? {} : { battery }),
    commandLine: parts.commandLine,
    ...(traceFd === undefined ? {} : { traceFd }),
    finishRun: probe.vendor === "soft" ? 1 : HOST_POLICY[probe.vendor].finishRun,
    debugged: config.debugger !== undefined,
    emulationAdvice: emulationAdvice(probe),
    crashAdvice: crashAdvice(probe),
  };
}

/** The calendar of a guest whose time is its instructions: the start of 2026. */
const REPEATABLE_EPOCH_MS = Date.UTC(2026, 0, 1);

/** Has a thread give back what it prepared for a guest that could not be loaded. */
function cancelPrepared(worker: Worker): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  worker.onmessage = ({ data }: MessageEvent<ThreadMessage>) => data.type === "cancelled" && resolve();
  worker.onerror = (event) => {
    event.preventDefault();
    resolve();
  };
  const request: CancelRequest = { type: "cancel" };
  worker.postMessage(request);
  return promise;
}

interface BuiltParts {
  readonly config: MachineConfig;
  readonly commandLine: string;
  /** For the next incarnation; absent when there is none. */
  readonly files?: GuestFiles;
  readonly options: BuildOptions;
  readonly engine: MachineEngine;
  readonly shape: BoardShape;
  readonly ram: GuestRam;
  readonly loaded: LoadedGuest;
  readonly worker: Worker;
  /** Absent under the soft engine. */
  readonly handle: KvmMachineHandle | undefined;
  readonly channel: Channel;
}

/**
 * The engine a configuration asks for, and who emulates its interrupt controllers.
 * @throws {ConfigError} {@linkcode HostError}
 */
export function chooseEngine(config: MachineConfig): MachineEngine {
  // Interrupt controllers in the kernel are KVM's: whoever asks for them asks for it.
  const wantsKvm = config.engine === "auto" && (config.irqchip === "split" || config.irqchip === "kernel");
  // And only the soft engine counts instructions.
  const wantsSoft = config.engine === "auto" && config.clock === "instructions";
  const found = probe(wantsKvm ? "kvm" : wantsSoft ? "soft" : config.engine);
  const { irqchips, bestIrqchip, maxCpus } = found.caps;
  const irqchip = config.irqchip !== "auto" ? config.irqchip : config.lapic ? bestIrqchip : "user";
  if (!irqchips.includes(irqchip)) {
    throw new HostError(
      `Cannot use --irqchip ${irqchip}: engine ${found.vendor} has ${
        irqchips.join(", ")
      } here; take one of them or auto`,
      { operation: "probe" },
    );
  }
  if (config.cpus > maxCpus) {
    throw new ConfigError(
      `Cannot give the guest ${config.cpus} CPUs: engine ${found.vendor} allows ${maxCpus} here`,
      {
        path: "cpus",
      },
    );
  }
  return { probe: found, irqchip };
}

/** What to do about a guest that crashed, where the engine may be why. */
export function crashAdvice({ vendor, caps }: Probe): string[] {
  if (caps.stockGuests) return [];
  return [
    `this KVM (${vendor}) has no path for system calls, so no ordinary user program runs; run the guest with ` +
    "--engine soft, or on a host whose KVM has VT-x or SVM",
  ];
}

/** What to do about an instruction the engine lacks. */
function emulationAdvice({ vendor, caps }: Probe): string[] {
  if (caps.stockGuests) {
    return [
      "report the bytes above with the guest's name; another --irqchip or kernel version may avoid them",
    ];
  }
  return [
    `this KVM (${vendor}) emulates the guest's kernel and lacks this instruction; run the guest with ` +
    "--engine soft, or on a host whose KVM has VT-x or SVM",
  ];
}
