/**
 * `deno task bench`: what has a threshold, measured here and now against something else measured here and now.
 *
 * ```
 * deno task bench [--json FILE] [--rounds N]
 * ```
 * Exit status 1 when a figure misses its threshold, 2 when something could not be measured.
 * @module
 */

import { byteGuest, ENTRY_ADDRESS, portGuest, stillGuest } from "./bench/guests.ts";
import { compileC, median, residentAtByte, timeToByte, timeToEnd } from "./bench/measure.ts";
import { bootTimes, loops, prepareSoft } from "./bench/soft.ts";
import { build } from "./build.ts";
import { ensurePrograms } from "./setup.ts";
import { fail, optionsFrom, run, say } from "./tools.ts";

const ROOT = new URL("..", import.meta.url).pathname;

/** One measured figure. */
interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The most it may be; absent for figures to compare with. */
  readonly atMost?: number;
  /** The least it may be. */
  readonly atLeast?: number;
  /** Where the figure comes from. */
  readonly note?: string;
}

/** Programs and images in a directory of the bench's own. */
interface Bench {
  readonly folder: string;
  readonly hvm: string;
  readonly rounds: number;
}

/** The exit the guests end with: a write of 0 to port F4h. */
const GUEST_STATUS = 1;
/** Small guests are measured on KVM, whatever auto takes here. */
const KVM_RUN = ["run", "--engine", "kvm"] as const;
/** Exits of the short and the long run; the difference leaves out what a start costs. */
const SHORT_RUN = 1000;
const LONG_RUN = 101_000;

/** A port 80h exit through hvm's run loop, bus and device, against KVM_RUN in a bare loop in C. */
async function exitRoundTrip(bench: Bench): Promise<Figure[]> {
  const { folder, hvm, rounds } = bench;
  await Deno.writeFile(`${folder}/short`, portGuest(SHORT_RUN));
  await Deno.writeFile(`${folder}/long`, portGuest(LONG_RUN));
  await compileC(`${ROOT}scripts/bench/kvm_loop.c`, `${folder}/kvm_loop`);
  const ours: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const short = await timeToEnd([hvm, ...KVM_RUN, "--kernel", `${folder}/short`], GUEST_STATUS);
    const long = await timeToEnd([hvm, ...KVM_RUN, "--kernel", `${folder}/long`], GUEST_STATUS);
    ours.push((long - short) * 1000 / (LONG_RUN - SHORT_RUN));
    bare.push(Number(await run([`${folder}/kvm_loop`, `${folder}/long`, String(ENTRY_ADDRESS)])) / 1000);
  }
  const [hvmTime, bareTime] = [median(ours), median(bare)];
  const note = `${hvmTime.toFixed(2)} us against ${bareTime.toFixed(2)} us in C`;
  return [{
    name: "port 80h exit, beside a bare loop",
    value: hvmTime / bareTime,
    unit: "x",
    atMost: 1.2,
    note,
  }];
}

/** From the start of the process to the first byte on the guest's serial port, beside QEMU. */
async function firstByte(bench: Bench): Promise<Figure[]> {
  const { folder, hvm, rounds } = bench;
  const image = `${folder}/byte`;
  await Deno.writeFile(image, byteGuest());
  const qemu = [
    "qemu-system-x86_64",
    "-nodefaults",
    "-display",
    "none",
    "-serial",
    "stdio",
    "-no-reboot",
    "-kernel",
    image,
  ];
  const programs: { name: string; command: string[]; atMost?: number }[] = [
    { name: "the executable", command: [hvm, ...KVM_RUN, "--kernel", image], atMost: 60 },
    {
      name: "the sources",
      command: [Deno.execPath(), "run", "-A", `${ROOT}main.ts`, ...KVM_RUN, "--kernel", image],
    },
    { name: "qemu -M microvm -accel tcg", command: [...qemu, "-M", "microvm", "-accel", "tcg"] },
    { name: "qemu -accel tcg", command: [...qemu, "-accel", "tcg"] },
    { name: "qemu -accel kvm", command: [...qemu, "-accel", "kvm"] },
  ];
  const times = programs.map(() => [] as number[]);
  for (let round = 0; round < rounds; round++) {
    for (const [index, { command }] of programs.entries()) times[index]?.push(await timeToByte(command, "!"));
  }
  return programs.map(({ name, atMost }, index) => ({
    name: `start to first serial byte, ${name}`,
    value: median(times[index] ?? []),
    unit: " ms",
    ...(atMost === undefined ? {} : { atMost }),
  }));
}

/** Resident memory of hvm with a guest that stands still, guest RAM apart. */
async function residentMemory(bench: Bench): Promise<Figure[]> {
  const { folder, hvm } = bench;
  await Deno.writeFile(`${folder}/still`, stillGuest());
  const bytes = await residentAtByte(
    [hvm, ...KVM_RUN, "--kernel", `${folder}/still`, "--timeout", "20"],
    "!",
  );
  return [{ name: "resident memory beyond guest RAM", value: bytes / 1e6, unit: " MB", atMost: 80 }];
}

/** The soft engine beside QEMU's software CPU. */
async function softEngine({ folder, hvm, rounds }: Bench): Promise<Figure[]> {
  const files = await prepareSoft(folder);
  const boot = await bootTimes(hvm, files, rounds);
  const figures: Figure[] = [{
    name: "soft: Debian 6.1 to a shell, beside qemu -accel tcg",
    value: boot.hvm / boot.qemu,
    unit: "x",
    atMost: 5,
    note: `${boot.hvm.toFixed(2)} s against ${boot.qemu.toFixed(2)} s; aim 3x`,
  }];
  for (const { name, mips, ratio } of await loops(hvm, files, rounds)) {
    figures.push({
      name: `soft: ${name === "all" ? "the mix of these" : `${name} in C`}`,
      value: mips,
      unit: " MIPS",
      ...(name === "all" ? { atLeast: 100 } : {}),
      note: `${ratio.toFixed(2)}x the time of qemu -accel tcg`,
    });
  }
  return figures;
}

/** A figure as a line. */
function lineOf(one: Figure): string {
  const { name, value, unit, atMost, atLeast, note } = one;
  const figure = `${value.toFixed(unit === "x" ? 2 : 0)}${unit}`;
  const threshold = atMost === undefined ? `at least ${atLeast}` : `at most ${atMost}`;
  const verdict = atMost === undefined && atLeast === undefined
    ? ""
    : `  ${threshold}${unit}: ${isMet(one) ? "ok" : "MISSED"}`;
  return `${name.padEnd(62)} ${figure.padStart(9)}${verdict}${note === undefined ? "" : `  (${note})`}`;
}

function isMet({ value, atMost = Infinity, atLeast = -Infinity }: Figure): boolean {
  return value <= atMost && value >= atLeast;
}

if (import.meta.main) {
  const { options } = optionsFrom(Deno.args, { json: "", rounds: "5" });
  await ensurePrograms("bench");
  const folder = await Deno.makeTempDir({ prefix: "hvm-bench-" });
  const bench: Bench = { folder, hvm: `${folder}/hvm`, rounds: Number(options.rounds) };
  const figures: Figure[] = [];
  const unmeasured: string[] = [];
  try {
    await build({ entry: `${ROOT}main.ts`, output: bench.hvm });
    for (const part of [exitRoundTrip, firstByte, residentMemory, softEngine]) {
      try {
        const measured = await part(bench);
        figures.push(...measured);
        for (const figure of measured) say(lineOf(figure));
      } catch (error) {
        unmeasured.push(error instanceof Error ? error.message : String(error));
        say(`not measured: ${unmeasured.at(-1)}`);
      }
    }
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  if (options.json !== "") {
    await Deno.writeTextFile(options.json, JSON.stringify({ figures, unmeasured }, null, 2) + "\n");
  }
  const over = !figures.every(isMet);
  Deno.exit(unmeasured.length > 0 ? 2 : over ? 1 : 0);
}
