/**
 * The default guest: a root file system in memory with busybox, kernel modules and an init that runs a shell or one
 * command.
 *
 * A command's exit status reaches hvm through one I/O port: init runs {@linkcode statusProgram} with it, or where the
 * kernel forbids that, writes to /dev/port. It is the shell's status: 127 when there is no such command, 126 when it
 * cannot be run, 128 + n when signal n ended it.
 * @module
 */

import { type CpioEntry, writeCpio } from "./cpio.ts";
import { statusProgram } from "./status_program.ts";

/** A file to put into the guest. */
export interface GuestFile {
  /** Absolute or relative to the root; directories above it are made. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Permission bits; 644 octal when not given. */
  readonly mode?: number;
}

/** What the initramfs is made of. */
export interface InitramfsRequest {
  /** A static busybox with sh, mount, insmod, setsid, cttyhack and poweroff. */
  readonly busybox: Uint8Array;
  /** Kernel modules, not packed, in the order in which they are loaded. */
  readonly modules?: readonly { readonly name: string; readonly bytes: Uint8Array }[];
  /** The command to run and its arguments; a shell when absent. */
  readonly command?: readonly string[];
  /** The port a command's exit status is written to; 0 to 65535. Required with `command`. */
  readonly statusPort?: number;
  readonly files?: readonly GuestFile[];
  /** The console's size, which a serial line cannot tell by itself; 80 by 24 when not given. */
  readonly console?: { readonly columns: number; readonly rows: number };
  /** Leave line ends as the command writes them, without carriage returns: for output that is not for a terminal. */
  readonly plainOutput?: boolean;
  /** The value of TERM; `vt100` when not given. */
  readonly term?: string;
}

/** The port a command's status goes to when nobody says otherwise. */
export const DEFAULT_STATUS_PORT = 0xf6;

const DEFAULT_CONSOLE = { columns: 80, rows: 24 } as const;

const MODULE_DIRECTORY = "lib/modules";
const STATUS_PROGRAM = "sbin/hvm-status";
const DIRECTORIES: readonly { name: string; mode?: number }[] = [
  { name: "bin" },
  { name: "dev" },
  { name: "etc" },
  { name: "lib" },
  { name: MODULE_DIRECTORY },
  { name: "mnt" },
  { name: "proc" },
  { name: "root", mode: 0o700 },
  { name: "run" },
  { name: "sbin" },
  { name: "sys" },
  { name: "tmp", mode: 0o1777 },
  { name: "usr" },
  { name: "usr/bin" },
  { name: "usr/sbin" },
  { name: "var" },
];

/**
 * The archive, for use as an initrd.
 * @throws {RangeError} when a name leaves the root or comes twice, or the port is none.
 */
export function buildInitramfs(request: InitramfsRequest): Uint8Array<ArrayBuffer> {
  const port = request.statusPort ?? DEFAULT_STATUS_PORT;
  if (!Number.isInteger(port) || port < 0 || port > 0xffff) {
    throw new RangeError(`Cannot use ${port} as a port`);
  }
  const files: GuestFile[] = [
    { name: "bin/busybox", bytes: request.busybox, mode: 0o755 },
    { name: "init", bytes: encode(initScript(request)), mode: 0o755 },
    // Found by the shell only with a password field that is not empty; its prompt shows ~ for the home named here.
    { name: "etc/passwd", bytes: encode("root:x:0:0:root:/root:/bin/sh\n") },
    { name: "etc/group", bytes: encode("root:x:0:\n") },
    { name: "etc/hostname", bytes: encode("hvm\n") },
    ...(request.modules ?? []).map(({ name, bytes }) => ({ name: modulePath(name), bytes })),
    ...request.files ?? [],
  ];
  if (request.command !== undefined) {
    files.push({ name: STATUS_PROGRAM, bytes: statusProgram(port), mode: 0o755 });
  }
  return writeCpio([
    ...directoriesFor(files),
    // The kernel opens the console for init before /dev is mounted.
    { kind: "character", name: "dev/console", major: 5, minor: 1 },
    { kind: "character", name: "dev/null", mode: 0o666, major: 1, minor: 3 },
    ...files.map(({ name, bytes, mode = 0o644 }): CpioEntry => ({
      kind: "file",
      name: relative(name),
      bytes,
      mode,
    })),
  ]);
}

function directoriesFor(files: readonly GuestFile[]): CpioEntry[] {
  const entries = new Map<string, CpioEntry>(
    DIRECTORIES.map((directory) => [directory.name, { kind: "directory", ...directory }]),
  );
  for (const file of files) {
    const parts = relative(file.name).split("/").slice(0, -1);
    parts.forEach((_, i) => {
      const name = parts.slice(0, i + 1).join("/");
      if (!entries.has(name)) entries.set(name, { kind: "directory", name });
    });
  }
  return [...entries.values()];
}

function modulePath(name: string): string {
  return `${MODULE_DIRECTORY}/${name}.ko`;
}

function relative(name: string): string {
  return name.replace(/^\/+/, "");
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** A word the shell takes literally. */
export function quoteForShell(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** The text of /init. */
export function initScript(request: InitramfsRequest): string {
  const { console: size = DEFAULT_CONSOLE, plainOutput, term = "vt100", modules = [], command } = request;
  return [
    "#!/bin/busybox sh",
    "export PATH=/sbin:/usr/sbin:/bin:/usr/bin HOME=/root USER=root",
    `export TERM=${quoteForShell(term)}`,
    "/bin/busybox mount -t proc proc /proc",
    "/bin/busybox mount -t sysfs sysfs /sys",
    "/bin/busybox mount -t devtmpfs devtmpfs /dev",
    "/bin/busybox --install -s",
    "mkdir -p /dev/pts /dev/shm",
    "mount -t devpts devpts /dev/pts 2>/dev/null",
    "mount -t tmpfs -o mode=1777 tmpfs /dev/shm 2>/dev/null",
    "ln -sf /proc/self/fd /dev/fd",
    "hostname -F /etc/hostname",
    "ip link set lo up 2>/dev/null",
    ...modules.map(({ name }) => `insmod ${quoteForShell(`/${modulePath(name)}`)}`),
    `stty rows ${size.rows} columns ${size.columns} 2>/dev/null`,
    ...plainOutput ? ["stty -onlcr 2>/dev/null"] : [],
    'cd "$HOME"',
    ...command === undefined ? SHELL : runCommand(command, request.statusPort ?? DEFAULT_STATUS_PORT),
    "",
  ].join("\n");
}

/** A session of its own with the console as its terminal, so that interrupts and job control work. */
const SHELL: readonly string[] = [
  "setsid cttyhack sh -i",
  "sync",
  "poweroff -f",
];

/** The inner shell makes the statuses of commands that are not there, cannot run, or die. */
function runCommand(command: readonly string[], port: number): string[] {
  return [
    `setsid cttyhack sh -c '"$@"' sh ${command.map(quoteForShell).join(" ")}`,
    "status=$?",
    "sync",
    "# The kernel's farewell is not part of the command's output.",
    "echo 0 >/proc/sys/kernel/printk",
    `/${STATUS_PROGRAM} $status || printf "\\\\$(printf %03o $status)" | ` +
    `dd of=/dev/port bs=1 seek=${port} count=1 conv=notrunc 2>/dev/null`,
    "poweroff -f",
  ];
}
