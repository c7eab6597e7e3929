import assert from "node:assert/strict";
import { type CpioEntry, readCpio } from "./cpio.ts";
import { readElf } from "./elf.ts";
import { buildInitramfs, type InitramfsRequest, initScript, quoteForShell } from "./initramfs.ts";
import { statusProgram } from "./status_program.ts";

const BUSYBOX = Uint8Array.of(0x7f, 0x45, 0x4c, 0x46);

function entries(request: Partial<InitramfsRequest> = {}): Map<string, CpioEntry> {
  return new Map(
    readCpio(buildInitramfs({ busybox: BUSYBOX, ...request })).map((entry) => [entry.name, entry]),
  );
}

Deno.test("buildInitramfs holds what a kernel needs to run init", () => {
  const files = entries();
  assert.deepEqual(files.get("dev/console"), {
    kind: "character",
    name: "dev/console",
    mode: 0o600,
    major: 5,
    minor: 1,
  });
  assert.deepEqual(files.get("bin/busybox"), {
    kind: "file",
    name: "bin/busybox",
    mode: 0o755,
    bytes: BUSYBOX,
  });
  assert.equal(files.get("init")?.mode, 0o755);
  for (const name of ["proc", "sys", "dev", "tmp", "root"]) {
    assert.equal(files.get(name)?.kind, "directory", name);
  }
});

Deno.test("buildInitramfs is the same every time", () => {
  const request = { busybox: BUSYBOX, command: ["ls"], files: [{ name: "/etc/motd", bytes: BUSYBOX }] };
  assert.deepEqual(buildInitramfs(request), buildInitramfs(request));
});

Deno.test("buildInitramfs makes the directories above a file, before it", () => {
  const names = [...entries({ files: [{ name: "/opt/a/b/tool", bytes: BUSYBOX, mode: 0o755 }] }).keys()];
  const places = ["opt", "opt/a", "opt/a/b", "opt/a/b/tool"].map((name) => names.indexOf(name));
  assert.ok(places.every((place, i) => place >= 0 && (i === 0 || place > places[i - 1]!)), `${places}`);
});

Deno.test("buildInitramfs refuses names that leave the root or come twice, and ports that are none", () => {
  assert.throws(() => entries({ files: [{ name: "/../x", bytes: BUSYBOX }] }), RangeError);
  assert.throws(() => entries({ files: [{ name: "init", bytes: BUSYBOX }] }), RangeError);
  for (const statusPort of [-1, 0x10000, 1.5]) assert.throws(() => entries({ statusPort }), RangeError);
});

Deno.test("init loads modules in their order", () => {
  const modules = [{ name: "virtio_ring", bytes: BUSYBOX }, { name: "virtio", bytes: BUSYBOX }];
  const script = initScript({ busybox: BUSYBOX, modules });
  const first = script.indexOf("insmod '/lib/modules/virtio_ring.ko'\n");
  assert.ok(first > 0 && script.indexOf("insmod '/lib/modules/virtio.ko'\n") > first);
  assert.equal(entries({ modules }).get("lib/modules/virtio.ko")?.kind, "file");
});

Deno.test("init runs a shell with a terminal of its own, then powers off", () => {
  const script = initScript({ busybox: BUSYBOX });
  assert.match(script, /\nsetsid cttyhack sh -i\nsync\npoweroff -f\n$/);
  assert.match(script, /HOME=\/root/);
  assert.equal(entries().has("sbin/hvm-status"), false);
});

Deno.test("init runs a command's words as they are and reports its status", () => {
  const command = ["echo", "it's", "$HOME", "a  b", ""];
  const script = initScript({ busybox: BUSYBOX, command, statusPort: 0xf6 });
  assert.ok(script.includes(`sh -c '"$@"' sh 'echo' 'it'\\''s' '$HOME' 'a  b' ''\nstatus=$?\n`));
  assert.match(script, /\/sbin\/hvm-status \$status \|\| .*seek=246 .*\npoweroff -f\n$/s);
  assert.equal(entries({ command, statusPort: 0xf6 }).get("sbin/hvm-status")?.mode, 0o755);
});

Deno.test("init sets the console up as asked", () => {
  assert.match(initScript({ busybox: BUSYBOX }), /\nstty rows 24 columns 80 /);
  const script = initScript({
    busybox: BUSYBOX,
    console: { columns: 132, rows: 50 },
    plainOutput: true,
    term: "xterm",
  });
  assert.match(script, /\nstty rows 50 columns 132 /);
  assert.match(script, /\nstty -onlcr /);
  assert.match(script, /TERM='xterm'\n/);
  assert.doesNotMatch(initScript({ busybox: BUSYBOX }), /onlcr/);
});

Deno.test("quoteForShell makes one word of anything", () => {
  assert.equal(quoteForShell("a'b"), `'a'\\''b'`);
  assert.equal(quoteForShell(""), "''");
});

Deno.test("statusProgram is a loadable ELF program for the port", () => {
  for (const port of [0xf6, 0x1234]) {
    const file = statusProgram(port);
    const { segments, entry, bits } = readElf(file);
    assert.equal(bits, 64);
    assert.equal(segments.length, 1);
    assert.deepEqual(segments[0]!.content, file);
    assert.equal(entry, segments[0]!.virtual + 120n);
    const operand = [0xbf, port & 0xff, port >>> 8, 0, 0];
    assert.ok(file.some((_, at) => operand.every((byte, i) => file[at + i] === byte)), "mov edi, port");
  }
});
