/**
 * Runs a guest program on this host, and judges it.
 * @module
 */

import assert from "node:assert/strict";
import { Machine } from "../../hvm/script/machine.ts";
import type { MachineEnd } from "../../hvm/script/types.ts";
import type { IrqchipMode } from "../../hvm/vendor/ops.ts";
import type { GuestProgram } from "./guest.ts";
import { writeProgram } from "./write_all.ts";

/** How a program ended and what it printed. */
export interface Run {
  readonly end: MachineEnd;
  readonly console: string;
  readonly debugText: string;
}

/** Fails unless a program did what it says. */
export function assertExpected({ expect }: GuestProgram, { end, console, debugText }: Run): void {
  const { stats: _, ...how } = end;
  const seen = `${console}\n${JSON.stringify(how, null, 2)}`;
  assert.equal(end.end, expect.end, seen);
  if (end.end === "exit-port") assert.equal(end.value, expect.value, seen);
  assert.ok(console.includes(expect.output), `COM1: ${seen}`);
  assert.ok(debugText.includes(expect.output), `Port E9h: ${debugText}`);
}

/** Runs one program on one engine. */
export async function runProgram(
  program: GuestProgram,
  { engine, irqchip }: { engine: "kvm" | "soft"; irqchip: IrqchipMode },
): Promise<Run> {
  const folder = await Deno.makeTempDir({ prefix: "hvm-guest-" });
  try {
    const file = `${folder}/${program.name}`;
    await writeProgram(program, folder);
    await using machine = await Machine.start({
      kernel: file,
      protocol: program.protocol,
      engine,
      irqchip,
      memory: "256M",
      timeout: program.timeoutS * 1000,
      ...(program.append === undefined ? {} : { append: program.append }),
      ...(program.initrd === undefined ? {} : { initrd: `${file}.initrd` }),
      bootModules: (program.modules ?? []).map(({ text }, i) => ({ file: `${file}.module${i}`, text })),
    });
    const end = await machine.ended;
    return { end, console: machine.console.transcript, debugText: machine.debugText };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
