/**
 * Runs the guest programs under QEMU's software CPU: an independent witness that they ask for what a PC does.
 *
 * `deno run -A tests/guests/qemu.ts [NAME...]`; nothing here is needed to test hvm.
 * @module
 */

import { GUEST_PROGRAMS } from "./manifest.ts";
import { Asm } from "../../hvm/testing/asm.ts";
import { forbidding, type GuestProgram } from "./guest.ts";

/** What QEMU said of one program. */
interface Verdict {
  readonly ok: boolean;
  readonly text: string;
}

/** How QEMU's process ends for each end of a machine. */
function qemuStatus(program: GuestProgram): number {
  if (program.qemu.status !== undefined) return program.qemu.status;
  return program.expect.end === "exit-port" ? program.expect.status : 0;
}

async function run(program: GuestProgram, folder: string, accel: string): Promise<Verdict> {
  const image = `${folder}/${program.name}`;
  const log = `${folder}/${program.name}.log`;
  await Deno.writeFile(image, program.build());
  const boot = program.protocol === "flat" ? await flatArgs(image, folder) : ["-kernel", image];
  if (program.append !== undefined) boot.push("-append", program.append);
  if (program.initrd !== undefined) {
    await Deno.writeFile(`${image}.initrd`, program.initrd);
    boot.push("-initrd", `${image}.initrd`);
  }
  for (const [i, { content, text }] of (program.modules ?? []).entries()) {
    await Deno.writeFile(`${image}.module${i}`, content);
    boot.push("-initrd", `${image}.module${i} ${text}`);
  }
  const child = new Deno.Command("timeout", {
    args: [
      ...[
        String(program.timeoutS),
        "qemu-system-x86_64",
        "-nodefaults",
        "-no-reboot",
        "-M",
        "pc",
        "-m",
        "256",
      ],
      ...[
        "-accel",
        accel,
        "-display",
        "none",
        "-serial",
        "null",
        "-serial",
        "null",
        "-debugcon",
        `file:${log}`,
      ],
      ...["-device", "isa-debug-exit,iobase=0xf4,iosize=4", ...(program.qemu.args ?? []), ...boot],
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  const { code, stderr } = await child.output();
  const text = await Deno.readTextFile(log).catch(() => "") + new TextDecoder().decode(stderr);
  const ok = code === qemuStatus(program) && text.includes(program.expect.output);
  return { ok, text: ok ? text : `${text}status ${code}, expected ${qemuStatus(program)}\n` };
}

/** A flat binary at 1000:0000, entered by a ROM of our own: no firmware comes before it. */
async function flatArgs(image: string, folder: string): Promise<string[]> {
  const SEGMENT = 0x1000;
  const rom = new Uint8Array(0x10000);
  const a = new Asm({ origin: 0xff00, bits: 16 });
  a.mov("ax", SEGMENT);
  for (const segment of ["ds", "es", "fs", "gs", "ss"] as const) a.mov(segment, "ax");
  a.xor("sp", "sp").equ("start", 0).jmpFar(SEGMENT, "start");
  rom.set(a.assemble(), 0xff00);
  rom.set(new Asm({ origin: 0xfff0, bits: 16 }).equ("entry", 0xff00).jmp("entry").assemble(), 0xfff0);
  await Deno.writeFile(`${folder}/rom`, rom);
  return ["-bios", `${folder}/rom`, "-device", `loader,file=${image},addr=${SEGMENT * 16},force-raw=on`];
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

if (import.meta.main) {
  const accel = Deno.env.get("ACCEL") ?? "tcg";
  const folder = await Deno.makeTempDir({ prefix: "guests-" });
  let failed = 0;
  for (const program of GUEST_PROGRAMS) {
    if (Deno.args.length > 0 && !Deno.args.some((name) => program.name.startsWith(name))) continue;
    const skip = program.qemu.skip ??
      (accel === "kvm" && !program.irqchips.includes("kernel")
        ? "not for KVM's own controllers"
        : undefined) ??
      (accel === "kvm" ? forbidding(program, "kernel")[0] : undefined);
    if (skip !== undefined) {
      say(`${program.name}: skip: ${skip}`);
      continue;
    }
    const { ok, text } = await run(program, folder, accel);
    if (!ok) failed++;
    say(`${program.name}: ${ok ? "pass" : `FAIL\n${text}`}`);
  }
  await Deno.remove(folder, { recursive: true });
  Deno.exit(failed === 0 ? 0 : 1);
}
