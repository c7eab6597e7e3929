/**
 * The two machines of the lab: QEMU's software CPU with SVM, and Bochs with VMX. Each boots a kernel and an
 * initramfs and hands over the lines of its serial console; each is ended by its process id.
 * @module
 */

import { linesOf, run, say } from "../tools.ts";

/** What to boot. */
export interface LabBoot {
  readonly kernel: string;
  readonly initramfs: string;
  /** A directory for the machine's own files. */
  readonly scratch: string;
  /** Bytes of memory / 2^20. */
  readonly memory: number;
}

/** A started machine. */
export interface LabMachine {
  /** The lines of the console; ends when the machine does. */
  readonly lines: AsyncIterable<string>;
  /** Ends the machine if it still runs. */
  end(): Promise<void>;
}

/** Kernel parameters of both machines. */
const KERNEL_PARAMETERS = "console=ttyS0,115200 nokaslr panic=-1 mitigations=off quiet";

/** QEMU with an AMD processor and nested paging. */
export function startSvm(boot: LabBoot): LabMachine {
  const child = new Deno.Command("qemu-system-x86_64", {
    // deno-fmt-ignore
    args: [
      "-accel", "tcg", "-cpu", "EPYC,+svm,+npt", "-smp", "2", "-m", String(boot.memory),
      "-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot",
      "-kernel", boot.kernel, "-initrd", boot.initramfs, "-append", KERNEL_PARAMETERS,
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  passErrors(child.stderr, /warning: TCG doesn't support requested feature/);
  return { lines: linesOf(child.stdout), end: () => endChild(child) };
}

/** Bochs with an Intel processor, booted by GRUB from an ISO. */
export async function startVmx(boot: LabBoot): Promise<LabMachine> {
  const iso = await makeIso(boot);
  const serial = `${boot.scratch}/serial.log`;
  await Deno.writeTextFile(serial, "");
  await Deno.writeTextFile(
    `${boot.scratch}/bochsrc`,
    bochsConfiguration({ iso, serial, memory: boot.memory }),
  );
  await Deno.writeTextFile(`${boot.scratch}/continue`, "c\n");
  const child = new Deno.Command("bochs", {
    args: ["-q", "-f", `${boot.scratch}/bochsrc`, "-rc", `${boot.scratch}/continue`],
    cwd: boot.scratch,
    // Debian's Bochs has its debugger built in and stops when its input ends.
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  passErrors(child.stderr, /^\d{11}[ide]|^\s*$|^=+$|Bochs is exiting|soft power off/);
  return { lines: linesOfFile(serial, child.status), end: () => endChild(child) };
}

/**
 * A processor model with VMX, one CPU, no window, no sound: where the sound library finds no card, Bochs ends by a buffer
 * overflow.
 */
function bochsConfiguration(options: { iso: string; serial: string; memory: number }): string {
  return `cpu: model=corei7_skylake_x, count=1, ips=200000000, reset_on_triple_fault=0
memory: guest=${options.memory}, host=${options.memory}
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
display_library: rfb, options="timeout=0"
ata0-master: type=cdrom, path=${options.iso}, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=${options.serial}
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
log: /dev/null
panic: action=report
error: action=ignore
info: action=ignore
debug: action=ignore
clock: sync=none, time0=local
`;
}

/** An ISO that GRUB boots without asking. */
async function makeIso(boot: LabBoot): Promise<string> {
  const root = `${boot.scratch}/iso`;
  await Deno.mkdir(`${root}/boot/grub`, { recursive: true });
  await Deno.copyFile(boot.kernel, `${root}/boot/vmlinuz`);
  await Deno.copyFile(boot.initramfs, `${root}/boot/initrd`);
  await Deno.writeTextFile(
    `${root}/boot/grub/grub.cfg`,
    `set timeout=0
menuentry lab {
  linux /boot/vmlinuz ${KERNEL_PARAMETERS}
  initrd /boot/initrd
}
`,
  );
  const iso = `${boot.scratch}/lab.iso`;
  await run(["grub-mkrescue", "-o", iso, root]);
  await Deno.remove(root, { recursive: true });
  return iso;
}

/** Passes on what a machine's program says on standard error, but for lines that are known and mean nothing. */
async function passErrors(stream: ReadableStream<Uint8Array>, known: RegExp): Promise<void> {
  for await (const line of linesOf(stream)) {
    if (!known.test(line)) say(line);
  }
}

/** The lines of a file that another process appends to, until that process ends or says that the power is off. */
async function* linesOfFile(path: string, ended: Promise<unknown>): AsyncGenerator<string> {
  let running = true;
  const stopped = ended.then(() => running = false);
  using file = await Deno.open(path);
  const decoder = new TextDecoder();
  const chunk = new Uint8Array(65536);
  let rest = "";
  while (true) {
    const count = await file.read(chunk);
    if (count === null) {
      if (!running) break;
      // Bochs only appends to the file; nothing tells when it did.
      await Promise.race([stopped, new Promise((wake) => setTimeout(wake, 250))]);
      continue;
    }
    const lines = (rest + decoder.decode(chunk.subarray(0, count), { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      yield line;
      // Bochs does not end when the power goes off: it reports a panic and waits. A guest's own words have a mark before.
      if (/^\[[ \d.]+\] reboot: Power down/.test(line)) return;
    }
  }
  if (rest !== "") yield rest;
}

async function endChild(child: Deno.ChildProcess): Promise<void> {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // TypeError: it has ended already
  }
  await child.status;
}
