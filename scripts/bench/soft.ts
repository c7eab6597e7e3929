/**
 * The soft engine beside QEMU's software CPU, with the same kernel and the same initramfs: boot to a shell, and loops compiled
 * from C in the guest's user space.
 * @module
 */

import { buildInitramfs } from "../../firmware/initramfs.ts";
import { unpackKernel } from "../../firmware/mod.ts";
import { debianGuest } from "../../hvm/host/debian.ts";
import { run } from "../tools.ts";
import { median, timeToText } from "./measure.ts";

const PROMPT = "~ # ";
const KERNEL_WORDS = "console=ttyS0 panic=-1 quiet";
const PARTS = ["sort", "hash", "matrix", "string", "all"] as const;
/** What an instruction takes of a guest's time with `--clock instructions`. */
const INSTRUCTION_NS = 5;
const PATIENCE_MS = 120_000;

/** Files both programs are given. */
export interface SoftFiles {
  readonly kernel: string;
  readonly shell: string;
  readonly mix: string;
}

/** Puts kernel and initramfs files into `folder`. */
export async function prepareSoft(folder: string): Promise<SoftFiles> {
  const guest = await debianGuest({ series: "6.1", flavour: "cloud" });
  const busybox = await Deno.readFile(guest.busybox);
  const source = new URL("mix.c", import.meta.url).pathname;
  await run(["gcc", "-O2", "-static", "-o", `${folder}/mix.bin`, source]);
  const mix = { name: "mix", bytes: await Deno.readFile(`${folder}/mix.bin`), mode: 0o755 };
  const files = { kernel: `${folder}/vmlinux`, shell: `${folder}/shell.cpio`, mix: `${folder}/mix.cpio` };
  await Deno.writeFile(files.kernel, (await unpackKernel(await Deno.readFile(guest.kernel))).image);
  await Deno.writeFile(files.shell, buildInitramfs({ busybox }));
  await Deno.writeFile(files.mix, buildInitramfs({ busybox, command: ["/mix"], files: [mix] }));
  return files;
}

function hvmCommand(hvm: string, { kernel }: SoftFiles, initrd: string, ...more: string[]): string[] {
  return [
    hvm,
    "run",
    "--engine",
    "soft",
    "--kernel",
    kernel,
    "--initrd",
    initrd,
    "--append",
    KERNEL_WORDS,
    ...more,
  ];
}

function qemuCommand({ kernel }: SoftFiles, initrd: string): string[] {
  const fixed = ["qemu-system-x86_64", "-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot"];
  const guest = [
    "-m",
    "512",
    "-kernel",
    kernel,
    "-initrd",
    initrd,
    "-append",
    KERNEL_WORDS,
  ];
  return [...fixed, "-accel", "tcg", ...guest];
}

/** Seconds from the start of either program to the shell's prompt: medians of pairs run in turn. */
export async function bootTimes(
  hvm: string,
  files: SoftFiles,
  rounds: number,
): Promise<{ hvm: number; qemu: number }> {
  const times = { hvm: [] as number[], qemu: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    const { took: ours } = await timeToText(hvmCommand(hvm, files, files.shell), PROMPT, PATIENCE_MS);
    const { took: theirs } = await timeToText(qemuCommand(files, files.shell), PROMPT, PATIENCE_MS);
    times.hvm.push(ours / 1000);
    times.qemu.push(theirs / 1000);
  }
  return { hvm: median(times.hvm), qemu: median(times.qemu) };
}

/** A loop's figures. */
export interface LoopFigure {
  readonly name: typeof PARTS[number];
  /** Millions of instructions a second. */
  readonly mips: number;
  /** hvm's time by QEMU's. */
  readonly ratio: number;
}

/** Loops in the guest's user space. */
export async function loops(hvm: string, files: SoftFiles, rounds: number): Promise<LoopFigure[]> {
  const counted = await loopTimes(hvmCommand(hvm, files, files.mix, "--clock", "instructions"));
  const ours: Map<string, number>[] = [];
  const theirs: Map<string, number>[] = [];
  for (let round = 0; round < rounds; round++) {
    ours.push(await loopTimes(hvmCommand(hvm, files, files.mix)));
    theirs.push(await loopTimes(qemuCommand(files, files.mix)));
  }
  return PARTS.map((name) => {
    const of = (runs: Map<string, number>[]) => median(runs.map((run) => run.get(name)!));
    const instructions = counted.get(name)! / INSTRUCTION_NS;
    return { name, mips: instructions / of(ours) * 1000, ratio: of(ours) / of(theirs) };
  });
}

/** Nanoseconds of each part as the guest says them. */
async function loopTimes(command: readonly string[]): Promise<Map<string, number>> {
  const { text } = await timeToText(command, /mix all \d+\s/, PATIENCE_MS);
  return new Map([...text.matchAll(/mix (\w+) (\d+)/g)].map(([, name, took]) => [name!, Number(took)]));
}
