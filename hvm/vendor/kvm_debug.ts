/**
 * Debugging a guest from outside on KVM: breakpoints patched into guest memory, the processor's own debug registers, and
 * single steps, all through KVM_SET_GUEST_DEBUG.
 *
 * Patches are in memory only while something is armed, which a debugger undoes at every stop.
 *
 * Sources: [KVM] Linux Documentation/virt/kvm/api.rst, KVM_SET_GUEST_DEBUG, KVM_EXIT_DEBUG; [SDM] Intel SDM vol. 3B, 19.2.
 * @module
 */

import { GUESTDBG, INTERNAL_ERROR } from "../kvm/abi.ts";
import { setGuestDebug } from "../kvm/vcpu_state.ts";
import { HostError } from "../base/errors.ts";
import { DR6 } from "../x86/debug.ts";
import { EFER, RFLAGS } from "../x86/state.ts";
import { linearToPhysical } from "../x86/walk.ts";
import { type KvmCpu, SET } from "./kvm_cpu.ts";
import { HOST_POLICY } from "./quirks.ts";
import { type DebugPlan, type DebugStop, EXIT, type Exit, type Watch } from "./ops.ts";

/** A byte of the guest that INT3 stands in for. */
interface Patch {
  readonly linear: bigint;
  readonly byte: number;
}

/** What one of the four debug registers is used for. */
type Slot = { readonly execute: bigint } | {
  readonly watch: Watch;
  readonly first: bigint;
  readonly length: number;
};

const INT3 = 0xcc;
const VECTOR = { DB: 1, BP: 3 } as const;
const SLOTS = 4;
/** R/W of DR7: instructions, writes, accesses. */
const EXECUTE = 0n;
const WRITE = 1n;
const ACCESS = 3n;
/** LEN of DR7 by bytes. */
const LENGTH: Readonly<Record<number, bigint>> = { 1: 0n, 2: 1n, 4: 3n, 8: 2n };
/** GE, LE and the bit that is one. */
const DR7_BASE = 0x700n;

/** What a debugger has armed on one processor. */
class Armed {
  /** By guest-physical address. */
  readonly patches = new Map<number, Patch>();
  slots: readonly Slot[] = [];
  step = false;
  control = 0;
}

const armed = new WeakMap<KvmCpu, Armed>();

function armedOf(cpu: KvmCpu): Armed {
  let found = armed.get(cpu);
  if (found === undefined) armed.set(cpu, found = new Armed());
  return found;
}

/** Arms what a plan says in place of what was; false when not all of it can be. */
export function armPlan(cpu: KvmCpu, plan: DebugPlan): boolean {
  const now = armedOf(cpu);
  unpatch(cpu, now);
  const patched = patch(cpu, now, plan.software);
  const { dataBreakpoints } = HOST_POLICY[cpu.machine.vendor];
  const possible = dataBreakpoints || plan.watches.length === 0;
  const slots = slotsFor(dataBreakpoints ? plan : { ...plan, watches: [] });
  now.slots = slots.slice(0, SLOTS);
  now.step = plan.step;
  let control = 0;
  if (plan.step) control |= GUESTDBG.SINGLESTEP;
  if (now.patches.size > 0) control |= GUESTDBG.USE_SW_BP;
  if (now.slots.length > 0) control |= GUESTDBG.USE_HW_BP;
  if (control !== 0) control |= GUESTDBG.ENABLE;
  // Nothing was armed and nothing is: the request costs as much as an exit.
  if (control === 0 && now.control === 0) return patched && possible;
  passBreakpoint(cpu, now);
  now.control = control;
  cpu.complete();
  cpu.flush();
  const registers = debugRegisters(now.slots);
  // Linux before 5.16 cannot hold interrupts back during a step.
  const taken = plan.step && request(cpu, control | GUESTDBG.BLOCKIRQ, registers) ||
    request(cpu, control, registers);
  return taken && patched && possible && slots.length <= SLOTS;
}

/** False when this KVM does not know what is asked of it. */
function request(cpu: KvmCpu, control: number, registers: bigint[]): boolean {
  try {
    setGuestDebug(cpu.vcpu, control, registers);
    return true;
  } catch (error) {
    if (error instanceof HostError) return false;
    throw error;
  }
}

/** An instruction breakpoint of the processor's is not met again where the processor stands. [SDM] 19.3.1.1 */
function passBreakpoint(cpu: KvmCpu, { slots }: Armed): void {
  const here = linearRip(cpu);
  if (!slots.some((slot) => "execute" in slot && slot.execute === here)) return;
  cpu.regs.rflags |= BigInt(RFLAGS.RF);
  cpu.touch(SET.REGS);
}

/** What an exit means for a debugger; a vector: the exception the guest is to get. */
export function stopOf(cpu: KvmCpu, exit: Exit): DebugStop | "none" | { readonly vector: number } {
  const now = armedOf(cpu);
  if (exit.kind === EXIT.INTERNAL_ERROR) {
    // Where the kernel's emulator lacks INT3, it gives up at ours.
    const ours = exit.code === INTERNAL_ERROR.EMULATION && isPatched(now, linearRip(cpu));
    return ours ? { kind: "software" } : "none";
  }
  if (exit.kind !== EXIT.DEBUG) return "none";
  if (exit.code === VECTOR.BP) {
    return isPatched(now, linearRip(cpu)) ? { kind: "software" } : { vector: VECTOR.BP };
  }
  const dr6 = exit.info[0] ?? 0n;
  const slot = now.slots.find((_, n) => (dr6 >> BigInt(n) & 1n) !== 0n);
  if (slot !== undefined && "watch" in slot) return { kind: "watch", watch: slot.watch };
  if (slot !== undefined) return { kind: "hardware" };
  if (now.step) return { kind: "step" };
  return { vector: VECTOR.DB };
}

function isPatched({ patches }: Armed, linear: bigint): boolean {
  return [...patches.values()].some((one) => one.linear === linear);
}

function linearRip(cpu: KvmCpu): bigint {
  cpu.complete();
  cpu.load(SET.REGS | SET.SREGS);
  const { regs, sregs } = cpu;
  const code64 = (sregs.efer & BigInt(EFER.LMA)) !== 0n && sregs.cs.l !== 0;
  return code64 ? regs.rip : BigInt.asUintN(32, sregs.cs.base + regs.rip);
}

// ---- patches ----------------------------------------------------------------------------------------------------------

function patch(cpu: KvmCpu, { patches }: Armed, addresses: readonly bigint[]): boolean {
  const { memory } = cpu.machine;
  let all = true;
  for (const linear of addresses) {
    const gpa = physicalOf(cpu, linear);
    const byte = gpa === undefined ? undefined : memory.read(gpa, 1)[0]!;
    if (gpa !== undefined) memory.write(gpa, Uint8Array.of(INT3));
    // What swallows a write is no memory a breakpoint can be in.
    if (gpa === undefined || memory.read(gpa, 1)[0] !== INT3) all = false;
    else if (!patches.has(gpa)) patches.set(gpa, { linear, byte: byte! });
  }
  return all;
}

function unpatch(cpu: KvmCpu, { patches }: Armed): void {
  const { memory } = cpu.machine;
  for (const [gpa, { byte }] of patches) {
    // A guest that wrote other code there keeps it.
    if (memory.read(gpa, 1)[0] === INT3) memory.write(gpa, Uint8Array.of(byte));
  }
  patches.clear();
}

function physicalOf(cpu: KvmCpu, linear: bigint): number | undefined {
  cpu.load(SET.SREGS);
  const { memory } = cpu.machine;
  return linearToPhysical(cpu.sregs, linear, (gpa, bytes) => {
    const read = memory.read(gpa, bytes);
    let value = 0n;
    for (let i = bytes - 1; i >= 0; i--) value = value << 8n | BigInt(read[i]!);
    return value;
  });
}

// ---- debug registers --------------------------------------------------------------------------------------------------

/** The registers a plan needs, perhaps more than there are. */
function slotsFor(plan: DebugPlan): Slot[] {
  return [
    ...plan.hardware.map((execute): Slot => ({ execute })),
    ...plan.watches.flatMap((watch) => pieces(watch)),
  ];
}

/** A range as aligned pieces of 1, 2, 4 and 8 bytes. */
function pieces(watch: Watch): Slot[] {
  const slots: Slot[] = [];
  const end = watch.address + BigInt(Math.max(1, watch.length));
  for (let first = watch.address; first < end && slots.length <= SLOTS;) {
    const length = [8, 4, 2, 1].find((n) => first % BigInt(n) === 0n && first + BigInt(n) <= end) ?? 1;
    slots.push({ watch, first, length });
    first += BigInt(length);
  }
  return slots;
}

/** DR0 to DR7. [SDM] 19.2.4 */
function debugRegisters(slots: readonly Slot[]): bigint[] {
  const registers = Array.from({ length: 8 }, () => 0n);
  let dr7 = slots.length > 0 ? DR7_BASE : 0n;
  slots.forEach((slot, n) => {
    const execute = "execute" in slot;
    registers[n] = execute ? slot.execute : slot.first;
    // Reads alone cannot be waited for.
    const access = execute ? EXECUTE : slot.watch.access === "write" ? WRITE : ACCESS;
    const length = execute ? 0n : LENGTH[slot.length]!;
    dr7 |= 2n << BigInt(2 * n) | (access | length << 2n) << BigInt(16 + 4 * n);
  });
  registers[7] = dr7;
  return registers;
}

/** The guest's own breakpoint: DR6 says which. */
export function guestDr6(exit: Exit): bigint {
  return (exit.info[0] ?? 0n) & (DR6.B | DR6.BS | DR6.BT | DR6.BD);
}
