/**
 * A guest that does anything: random accesses to the whole board, with a clock that moves at random.
 *
 * Each run takes another seed and prints it; `HVM_FUZZ_SEED=n` repeats one, where the environment may be read.
 * @module
 */

import assert from "node:assert/strict";
import type { Clock, Timer } from "../../hvm/base/clock.ts";
import { LAPIC_REG, SVR, TIMER_MODE } from "../../devices/irq/lapic_regs.ts";
import { decodeMsi } from "../../hvm/io/msi.ts";
import { ADDRESS, PORT } from "../../hvm/machine/layout.ts";
import { FakeClock, MovingClock } from "../../hvm/testing/rig.ts";
import { buildBoard, RAM_BYTES, randomAccess, randomWords, type TestBoard } from "./board.ts";

const ACCESSES = 20_000;
/** No device may interrupt more often than this for long, whatever is programmed. */
const LEAST_NS_BETWEEN_FIRES = 20_000;
/** Chips whose timers can be that fast: PIT, local APIC and RTC. */
const FAST_TIMERS = 3;
/** Far more than a run takes on a busy machine: what is looked for is a hang. */
const LIMIT_MS = 60_000;

/** A clock that counts how often timers fire. */
class CountingClock implements Clock {
  fires = 0;
  readonly #inner: Clock;

  constructor(inner: Clock) {
    this.#inner = inner;
  }

  now(): number {
    return this.#inner.now();
  }

  timer(fire: () => void): Timer {
    return this.#inner.timer(() => {
      this.fires++;
      fire();
    });
  }
}

/** Guest memory full of noise, and of descriptors that ask the configuration device for as much as can be asked. */
function fillMemory({ memory }: TestBoard, next: () => number): void {
  const words = Uint32Array.from({ length: RAM_BYTES / 4 }, next);
  memory.load(0, new Uint8Array(words.buffer));
  const view = new DataView(new ArrayBuffer(16));
  for (let at = 0; at < RAM_BYTES; at += 4096) {
    view.setUint32(0, next() << 16 | next() & 0x1f);
    view.setUint32(4, next() >>> next() % 32);
    view.setBigUint64(8, BigInt(next() >>> next() % 32));
    memory.load(at, new Uint8Array(view.buffer));
  }
}

/** What can be done to a board that is no register access. */
function prod({ board, fabric }: TestBoard, next: () => number): void {
  switch (next() % 6) {
    case 0:
      board.com1.receive(Uint8Array.from({ length: next() % 40 }, next));
      break;
    case 1:
      board.power.pressPowerButton();
      break;
    case 2:
      fabric.message(decodeMsi(0xfee00000 + next() % 0x100000, next() & 0xffff));
      break;
    case 3:
      fabric.endOfInterrupt(next() & 0xff);
      break;
    case 4:
      fabric.readMsr([0x1b, 0x6e0, 0x800 + next() % 0x40][next() % 3]!);
      break;
    default:
      fabric.writeMsr(
        [0x1b, 0x6e0, 0x800 + next() % 0x40][next() % 3]!,
        BigInt(next()) << BigInt(next() % 33),
      );
  }
}

/** Up to 8 bytes at once, as KVM hands them over. */
function longAccess({ memoryIo }: TestBoard, next: () => number): void {
  const bytes = new Uint8Array(8);
  const placed = memoryIo.map();
  const base = placed.length === 0 ? next() : placed[next() % placed.length]!.base;
  const address = Math.max(0, base + next() % 0x1010 - 8);
  const length = 1 + next() % 8;
  if (next() % 2 === 0) memoryIo.readBytes(address, bytes, 0, length);
  else memoryIo.writeBytes(address, bytes.map(next), 0, length);
}

/** Sets every timer to the fastest it takes. */
function hurry({ ports, memoryIo }: TestBoard, next: () => number): void {
  ports.write(PORT.PIT + 3, 1, 0x10 | (next() % 2 === 0 ? 2 : 3) << 1);
  ports.write(PORT.PIT, 1, 2 + next() % 4);
  ports.write(PORT.RTC, 1, 0x0a);
  ports.write(PORT.RTC + 1, 1, 0x23);
  ports.write(PORT.RTC, 1, 0x0b);
  ports.write(PORT.RTC + 1, 1, 0x72);
  const lapic = (reg: number, value: number) => memoryIo.write(ADDRESS.LAPIC + reg, 4, value);
  lapic(LAPIC_REG.SVR, SVR.ENABLE | 0xff);
  lapic(LAPIC_REG.DIVIDE, 0x0b);
  lapic(LAPIC_REG.LVT_TIMER, 0x40 | TIMER_MODE.PERIODIC << 17);
  lapic(LAPIC_REG.INITIAL_COUNT, 1 + next() % 4);
}

function step(target: TestBoard, next: () => number): void {
  const { width, value } = randomAccess(next() % 3 === 0 ? target.memoryIo : target.ports, next);
  if (value !== undefined) {
    assert.ok(
      Number.isInteger(value) && value >= 0 && value < 2 ** (8 * width),
      `${width} bytes read ${value}`,
    );
  }
  if (next() % 16 === 0) prod(target, next);
  if (next() % 4096 === 0) target.board.reset();
  if (next() % 64 === 0) hurry(target, next);
  if (next() % 8 === 0) longAccess(target, next);
}

/** Mostly less than a timer's period, now and then much more. */
function randomNs(next: () => number): number {
  return next() % (next() % 64 === 0 ? 200_000_000 : 200_000);
}

function chosenSeed(): number {
  const random = Math.floor(Math.random() * 2 ** 32);
  if (Deno.permissions.querySync({ name: "env", variable: "HVM_FUZZ_SEED" }).state !== "granted") {
    return random;
  }
  return Number(Deno.env.get("HVM_FUZZ_SEED") ?? random);
}

const seed = chosenSeed();

for (const mode of ["user", "split", "kernel"] as const) {
  Deno.test(`PcBoard of irqchip ${mode} takes any access at any time, and its timers do not storm`, () => {
    // deno-lint-ignore no-console -- the seed is what repeats a failure
    console.log(`HVM_FUZZ_SEED=${seed}`);
    const next = randomWords(seed);
    const began = performance.now();
    const still = new FakeClock();
    const clock = new CountingClock(still);
    const target = buildBoard({ clock, mode });
    fillMemory(target, next);
    for (let i = 0; i < ACCESSES; i++) {
      step(target, next);
      if (next() % 4 !== 0) continue;
      const ns = randomNs(next);
      const before = clock.fires;
      still.advance(ns);
      const most = 16 + FAST_TIMERS * Math.ceil(ns / LEAST_NS_BETWEEN_FIRES);
      assert.ok(clock.fires - before <= most, `${clock.fires - before} timers fired in ${ns} ns`);
      assert.ok(performance.now() - began < LIMIT_MS, `it hangs at access ${i}`);
    }
  });

  Deno.test(`PcBoard of irqchip ${mode} takes any access on a late host`, () => {
    const next = randomWords(seed + 1);
    const began = performance.now();
    const moving = new MovingClock(100);
    const clock = new CountingClock(moving);
    const target = buildBoard({ clock, mode });
    fillMemory(target, next);
    for (let i = 0; i < ACCESSES; i++) {
      step(target, next);
      if (next() % 4 === 0) moving.pass(randomNs(next));
      if (next() % 4 !== 0) continue;
      const before = clock.fires;
      moving.run();
      assert.ok(clock.fires - before <= 16, `${clock.fires - before} timers fired in one turn`);
      assert.ok(performance.now() - began < LIMIT_MS, `it hangs at access ${i}`);
    }
    assert.ok(clock.fires > 0);
  });
}
