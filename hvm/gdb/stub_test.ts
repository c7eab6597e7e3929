import assert from "node:assert/strict";
import { bytesOf, encodePacket, textOf, toHex } from "./packets.ts";
import { ALL_BYTES, registerNumber } from "./registers.ts";
import { StubRig } from "./stub_rig.ts";
import { REGISTERS, targetXml } from "./target_xml.ts";

const hexNumber = (name: string) => registerNumber(name).toString(16);
const text = (hex: string) =>
  new TextDecoder().decode(Uint8Array.from(hex.match(/../g) ?? [], (b) => parseInt(b, 16)));

Deno.test("a stub acknowledges until it is told not to, and repeats what was damaged [RSP] E.3", () => {
  const rig = new StubRig();
  rig.stub.connected();
  rig.raw = "";
  rig.stub.receive(encodePacket("qC"));
  assert.equal(rig.raw, `+${textOf(encodePacket("QC1"))}`);
  rig.raw = "";
  rig.stub.receive(bytesOf("-"));
  assert.equal(rig.raw, textOf(encodePacket("QC1")));
  rig.raw = "";
  rig.stub.receive(bytesOf("$qC#00"));
  assert.equal(rig.raw, "-");
  rig.raw = "";
  rig.stub.receive(encodePacket("QStartNoAckMode"));
  assert.equal(rig.raw, "+$OK#9a");
  rig.raw = "";
  rig.stub.receive(encodePacket("qC"));
  assert.equal(rig.raw, "$QC1#c5");
});

Deno.test("a stub says what it can, and answers nothing to what it does not know [RSP] E.4", () => {
  const rig = new StubRig();
  const [features = ""] = rig.ask("qSupported:multiprocess+;swbreak+;hwbreak+");
  for (const feature of ["PacketSize=", "QStartNoAckMode+", "qXfer:features:read+", "swbreak+"]) {
    assert.ok(features.includes(feature), feature);
  }
  for (
    const unknown of ["qTStatus", "vMustReplyEmpty", "vFile:open:", "qXfer:auxv:read::0,10", "!", "", "R00"]
  ) {
    assert.deepEqual(rig.ask(unknown), [""], unknown);
  }
});

Deno.test("registers travel in the order of the description [RSP] E.2", () => {
  const rig = new StubRig();
  rig.target.state.gpr[3] = 0x1122334455667788n; // rbx
  rig.target.state.cs.base = 0n;
  rig.target.state.rip = 0xfff0n;
  rig.target.extended.xsave[160 + 17] = 0xab;
  rig.target.extended.xsave[512] = 2;
  const [all = ""] = rig.ask("g");
  assert.equal(all.length, ALL_BYTES * 2);
  assert.equal(all.slice(16, 32), "8877665544332211");
  assert.deepEqual(rig.ask(`p${hexNumber("rbx")}`), ["8877665544332211"]);
  assert.deepEqual(rig.ask(`p${hexNumber("rip")}`), ["f0ff000000000000"]);
  assert.deepEqual(rig.ask(`p${hexNumber("xmm1")}`), [`00ab${"0".repeat(28)}`]);
  assert.deepEqual(rig.ask(`p${hexNumber("ftag")}`), ["ffff0000"]);
  assert.deepEqual(rig.ask(`p${REGISTERS.length.toString(16)}`), ["E16"]);
  assert.deepEqual(rig.ask(`P${hexNumber("rax")}=0102030405060708`), ["OK"]);
  assert.equal(rig.target.state.gpr[0], 0x0807060504030201n);
  assert.deepEqual(rig.ask(`P${hexNumber("rax")}=01`), ["E16"]);
  assert.deepEqual(rig.ask(`G${all}`), ["OK"]);
  assert.deepEqual(rig.ask("g"), [all]);
});

Deno.test("the program counter is linear: what segments add, GDB does not know", () => {
  const rig = new StubRig();
  rig.target.state.cs.base = 0x10000n;
  rig.target.state.rip = 0x20n;
  assert.deepEqual(rig.ask(`p${hexNumber("rip")}`), ["2000010000000000"]);
  assert.deepEqual(rig.ask(`P${hexNumber("rip")}=3000010000000000`), ["OK"]);
  assert.equal(rig.target.state.rip, 0x30n);
  assert.deepEqual(rig.ask(`P${hexNumber("rip")}=3000020000000000`), ["E16"]);
});

Deno.test("memory is read as far as it goes and written whole [RSP] E.2", () => {
  const rig = new StubRig();
  rig.target.ram.set([1, 2, 3], 0x100);
  assert.deepEqual(rig.ask("m100,4"), ["01020300"]);
  assert.deepEqual(rig.ask("mfffe,4"), ["0000"]);
  assert.deepEqual(rig.ask("m10000,4"), ["E0e"]);
  assert.deepEqual(rig.ask("m10000,0"), [""]);
  assert.deepEqual(rig.ask("mx,4"), ["E16"]);
  assert.deepEqual(rig.ask("M200,2:beef"), ["OK"]);
  assert.deepEqual(rig.ask("M200,3:beef"), ["E16"]);
  assert.deepEqual(rig.ask("Mffff,2:beef"), ["E0e"]);
  assert.deepEqual(rig.ask("X300,0:"), ["OK"]);
  assert.deepEqual(rig.ask("X300,4:#$}*"), ["OK"]);
  assert.deepEqual([...rig.target.ram.slice(0x200, 0x202)], [0xbe, 0xef]);
  assert.equal(textOf(rig.target.ram.slice(0x300, 0x304)), "#$}*");
});

Deno.test("breakpoints are set by kind, and a refusal is an error [RSP] E.2, Z", () => {
  const rig = new StubRig();
  const kinds = ["software", "hardware", "write", "read", "access"];
  kinds.forEach((kind, n) => {
    assert.deepEqual(rig.ask(`Z${n},ffffffff81000000,4`), ["OK"]);
    assert.deepEqual(rig.ask(`z${n},ffffffff81000000,4`), ["OK"]);
    assert.deepEqual(rig.target.log.splice(0), [
      `set ${kind} ffffffff81000000 4`,
      `clear ${kind} ffffffff81000000 4`,
    ]);
  });
  rig.target.refuses = true;
  assert.deepEqual(rig.ask("Z2,10,4"), ["E0e"]);
  assert.deepEqual(rig.ask("Z5,10,4"), [""]);
  assert.deepEqual(rig.ask("Z0,10"), ["E16"]);
});

Deno.test("going on is answered when the processor stops [RSP] E.3", () => {
  const rig = new StubRig();
  assert.deepEqual(rig.ask("?"), ["T05thread:1;"]);
  rig.ask("qSupported:swbreak+;hwbreak+");
  const stops = [
    [{ kind: "software" }, "T05thread:1;swbreak:;"],
    [{ kind: "hardware" }, "T05thread:1;hwbreak:;"],
    [{ kind: "step" }, "T05thread:1;"],
    [{ kind: "watch", watch: { access: "write", address: 0x10n, length: 4 } }, "T05thread:1;watch:10;"],
    [{ kind: "watch", watch: { access: "access", address: 0x10n, length: 4 } }, "T05thread:1;awatch:10;"],
    [{ kind: "crash" }, "T0bthread:1;"],
  ] as const;
  for (const [reason, reply] of stops) {
    assert.deepEqual(rig.ask("vCont;c"), []);
    rig.target.hold();
    rig.stub.stopped(reason);
    assert.deepEqual(rig.packets(), [reply]);
    assert.deepEqual(rig.ask("?"), [reply]);
  }
  // A debugger that does not wait is not told.
  rig.raw = "";
  rig.stub.stopped({ kind: "step" });
  assert.equal(rig.raw, "");
});

Deno.test("every way to go on goes on [RSP] E.2, c, s, vCont", () => {
  const rig = new StubRig();
  const ways: [string, string][] = [
    ["c", "run"],
    ["s", "step"],
    ["C05", "run"],
    ["S05", "step"],
    ["vCont;c", "run"],
    ["vCont;s:1", "step"],
    ["vCont;s:1;c", "step"],
    ["vCont;s:2;c:-1", "run"],
  ];
  for (const [packet, what] of ways) {
    assert.deepEqual(rig.ask(packet), [], packet);
    assert.deepEqual(rig.target.log.splice(0), [what], packet);
    rig.target.hold();
  }
  assert.deepEqual(rig.ask("vCont?"), ["vCont;c;C;s;S;t"]);
  assert.deepEqual(rig.ask("vCont;x"), ["E16"]);
  rig.target.state.cs.base = 0n;
  rig.target.state.cs.limit = 0xffff;
  rig.ask("s1234");
  assert.equal(rig.target.state.rip, 0x1234n);
});

Deno.test("Ctrl-C stops a guest that runs, and nothing else [RSP] E.12", () => {
  const rig = new StubRig();
  rig.stub.receive(Uint8Array.of(3));
  assert.equal(rig.raw, "");
  rig.ask("c");
  rig.stub.receive(Uint8Array.of(3));
  assert.deepEqual(rig.packets(), ["T02thread:1;"]);
  assert.ok(rig.target.held);
});

Deno.test("a debugger that leaves or is gone lets the guest run on", () => {
  const rig = new StubRig();
  assert.deepEqual(rig.ask("D"), ["OK"]);
  assert.deepEqual(rig.target.log.splice(0), ["clear all", "run"]);
  assert.equal(rig.target.attached, false);
  rig.stub.connected();
  assert.ok(rig.target.held && rig.target.attached);
  assert.deepEqual(rig.ask("?"), ["T02thread:1;"]);
  rig.stub.disconnected();
  assert.equal(rig.target.held, false);
});

Deno.test("processors are threads [RSP] E.5", () => {
  const rig = new StubRig();
  assert.deepEqual(rig.ask("qfThreadInfo"), ["m1"]);
  assert.deepEqual(rig.ask("qsThreadInfo"), ["l"]);
  assert.deepEqual(rig.ask("Hg0"), ["OK"]);
  assert.deepEqual(rig.ask("T1"), ["OK"]);
  assert.deepEqual(rig.ask("T2"), ["E16"]);
  assert.deepEqual(rig.ask("qAttached"), ["1"]);
  assert.equal(text(rig.ask("qThreadExtraInfo,1")[0]!), "CPU 0");
});

Deno.test("the description comes in the pieces asked for [RSP] E.4, qXfer", () => {
  const rig = new StubRig();
  let xml = "";
  for (let more = true; more;) {
    const [answer = ""] = rig.ask(`qXfer:features:read:target.xml:${xml.length.toString(16)},100`);
    more = answer.startsWith("m");
    xml += answer.slice(1);
  }
  assert.equal(xml, targetXml());
  assert.deepEqual(rig.ask("qXfer:features:read:other.xml:0,100"), ["E00"]);
});

Deno.test("monitor commands print, and unknown ones say where help is", () => {
  const rig = new StubRig();
  const monitor = (line: string) => rig.ask(`qRcmd,${toHex(bytesOf(line))}`);
  const [help = "", end] = monitor("help");
  assert.equal(end, "OK");
  assert.match(text(help.slice(1)), /^help .*\nregisters .*\ncode .*\nreset /);
  assert.equal(text(monitor("registers")[0]!.slice(1)), "rip 0\n");
  assert.match(text(monitor("frob")[0]!.slice(1)), /no monitor command frob; monitor help/);
  assert.match(text(monitor("registers x")[0]!.slice(1)), /no monitor command registers x/);
  rig.target.state.rip = 0x200n;
  rig.target.state.cs.base = 0n;
  rig.target.ram.set([0xb8, 0x34, 0x12, 0x90], 0x200); // mov ax, 0x1234; nop
  assert.match(
    text(monitor("code")[0]!.slice(1)),
    /^0x00000200 {2}b8 34 12 .*mov ax, 0x1234\n0x00000203 {2}90 .*nop\n/,
  );
  assert.match(text(monitor("code 0x203")[0]!.slice(1)), /^0x00000203 {2}90 .*nop\n/);
  assert.match(text(monitor("code 0x10000")[0]!.slice(1)), /There is no memory at 0x10000/);
  assert.match(text(monitor("code here")[0]!.slice(1)), /no monitor command code here/);
  assert.deepEqual(monitor("reset"), ["OK"]);
  assert.deepEqual(rig.target.log.splice(0), ["reset"]);
});

Deno.test("a debugger can kill the guest", () => {
  const rig = new StubRig();
  assert.deepEqual(rig.ask("k"), []);
  assert.deepEqual(rig.ask("vKill;1"), ["OK"]);
  assert.deepEqual(rig.target.log, ["stopped", "stopped"]);
});

Deno.test("a stub lives through bytes that mean nothing", () => {
  const rig = new StubRig();
  let seed = 1;
  const random = () => (seed = Math.imul(seed, 1103515245) + 12345 >>> 0) >>> 16;
  const letters = "gGpPmMXcsCSZzHTDvCont;:,=0123456789abcdefqRcmdXfer?";
  for (let i = 0; i < 5000; i++) {
    const data = Array.from({ length: random() % 30 }, () => letters[random() % letters.length]).join("");
    if (!data.startsWith("k")) rig.ask(data);
    rig.target.hold();
  }
  assert.deepEqual(rig.ask("qC"), ["QC1"]);
});
