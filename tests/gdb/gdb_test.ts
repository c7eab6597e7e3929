import assert from "node:assert/strict";
import type { MachineOptions } from "../../hvm/machine/config.ts";
import { Machine } from "../../hvm/script/machine.ts";
import { kvmTest } from "../../hvm/testing/kvm.ts";
import { hvm, PROGRAM } from "../cli/rig.ts";
import { DebugClient } from "./client.ts";
import { type DebuggedGuest, debuggedGuest } from "./debugged.ts";
import { exists, gdb, gdbTest } from "../../hvm/testing/gdb.ts";
import { breakpointsMissing } from "./probe.ts";
import { symbolFile } from "./symbols.ts";

const STEPPED = "T05thread:1;";
const INTERRUPTED = "T02thread:1;";

/** How a story breaks: Z0 or Z1, and what a stop at such a breakpoint says. */
interface Breaking {
  readonly type: 0 | 1;
  readonly reply: string;
}

const SOFTWARE: Breaking = { type: 0, reply: "T05thread:1;swbreak:;" };
const HARDWARE: Breaking = { type: 1, reply: "T05thread:1;hwbreak:;" };

interface Session {
  readonly breaking: Breaking;
  readonly guest: DebuggedGuest;
  readonly machine: Machine;
  readonly client: DebugClient;
  readonly directory: string;
  readonly socket: string;
  /** Lets the guest come to its end, which must be the one it has by itself. */
  finish(): Promise<void>;
}

/** Runs the guest with a debugger at it. */
async function debugging(
  options: MachineOptions,
  use: (session: Session) => Promise<void>,
  breaking: Breaking = SOFTWARE,
): Promise<void> {
  const guest = debuggedGuest();
  const directory = await Deno.makeTempDir({ prefix: "hvm-gdb-" });
  try {
    await Deno.writeFile(`${directory}/guest`, guest.image);
    const socket = `${directory}/socket`;
    await using machine = await Machine.start({
      kernel: `${directory}/guest`,
      memory: "16M",
      timeout: 60_000,
      gdb: `unix:${socket}`,
      ...options,
    });
    assert.equal(machine.debugger, `target remote ${socket}`);
    using client = await DebugClient.connect(socket);
    const finish = async () => {
      assert.equal(await client.setMemory(guest.at("stop"), 1n), "OK");
      await client.tell("D");
      const end = await machine.ended;
      assert.equal(end.end === "exit-port" && end.value, 0, JSON.stringify(end));
    };
    await use({ breaking, guest, machine, client, directory, socket, finish });
    await machine.stop();
    assert.ok(!(await exists(socket)), "the socket is left");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Runs to `work`, with no breakpoint left there. */
async function toWork({ client, guest, breaking: { type, reply } }: Session): Promise<bigint> {
  const work = guest.at("work");
  assert.equal(await client.ask(`Z${type},${work.toString(16)},1`), "OK");
  assert.equal(await client.ask("vCont;c"), reply);
  assert.equal(await client.register("rip"), work);
  assert.equal(await client.ask(`z${type},${work.toString(16)},1`), "OK");
  return work;
}

/** Break, look, change, step, go on: what any engine can do. */
async function converse(session: Session): Promise<void> {
  const { guest, client, finish } = session;
  assert.equal(await client.ask("?"), STEPPED);
  const entry = await client.register("rip");
  assert.ok(entry >= 0x100000n && entry < 0x200000n, entry.toString(16));
  assert.equal(await client.register("cr0") & 0x80000001n, 1n, "entered in protected mode without paging");
  assert.equal(await client.ask("s"), STEPPED);

  for (let turn = 1n; turn <= 3n; turn++) {
    const work = await toWork(session);
    assert.equal(await client.memory(guest.at("counter")), turn);
    assert.equal(await client.memory(work) & 0xffffffffffn, 0x1234bbn, "memory shows no breakpoint");
    // What GDB does to get past a breakpoint.
    assert.equal(await client.ask("vCont;s:1"), STEPPED);
    assert.equal(await client.register("rbx"), 0x1234n);
  }
  assert.equal(await client.register("cr0") & 0x80000001n, 0x80000001n, "paging is on");
  assert.equal(await client.ask("m200000000000,8"), "E0e", "nothing is mapped there");
  assert.equal(await client.ask("m800000000000,8"), "E0e", "no canonical address");
  assert.equal(await client.ask("mfee00000,4"), "E0e", "devices are not touched");

  assert.equal(await client.setRegister("rcx", 0xfedcba9876543210n), "OK");
  assert.equal(await client.register("rcx"), 0xfedcba9876543210n);
  assert.equal(await client.setRegister("xmm3", 0x1122334455667788n), "E16", "half a register");
  assert.equal(await client.setMemory(guest.at("counter"), 1n << 40n), "OK");
  const back = guest.at("back");
  assert.equal(await client.ask(`Z1,${back.toString(16)},1`), "OK");
  assert.equal(await client.ask("c"), "T05thread:1;hwbreak:;");
  assert.equal(await client.register("rdx"), 1n << 40n);
  assert.equal(await client.ask(`z1,${back.toString(16)},1`), "OK");

  await client.tell("c");
  await client.say("\x03");
  assert.equal(await client.next(), INTERRUPTED);
  assert.ok(await client.memory(guest.at("counter")) >= 1n << 40n);
  await finish();
}

/** Code that is rewritten by the debugger runs as rewritten. */
async function rewrite(session: Session): Promise<void> {
  const { client, finish } = session;
  const work = await toWork(session);
  // mov ebx, imm32: another immediate.
  const code = await client.memory(work);
  assert.equal(code & 0xffffffffffn, 0x1234bbn, code.toString(16));
  assert.equal(await client.setMemory(work, code & ~(0xffffffffn << 8n) | 0x5678n << 8n), "OK");
  assert.equal(await client.ask("s"), STEPPED);
  assert.equal(await client.register("rbx"), 0x5678n);
  await finish();
}

/** Data that is written stops the guest behind the write. */
async function watch(session: Session): Promise<void> {
  const { guest, client, finish } = session;
  const counter = guest.at("counter").toString(16);
  await toWork(session);
  const before = await client.memory(guest.at("counter"));
  assert.equal(await client.ask(`Z2,${counter},8`), "OK");
  assert.equal(await client.ask("c"), `T05thread:1;watch:${counter};`);
  assert.equal(await client.memory(guest.at("counter")), before + 1n);
  assert.equal(await client.ask(`z2,${counter},8`), "OK");
  assert.equal(await client.ask(`Z4,${counter},8`), "OK");
  assert.equal(await client.ask("c"), `T05thread:1;awatch:${counter};`);
  const rip = await client.register("rip");
  assert.ok(rip > guest.at("work") && rip < guest.at("work") + 32n, "the read in work");
  await client.ask(`z4,${counter},8`);
  await finish();
}

/** A debugger that is gone lets the guest run; another may come, one at a time. */
async function comeAndGo(session: Session): Promise<void> {
  const { guest, client, machine, socket } = session;
  await toWork(session);
  const notices: string[] = [];
  machine.events.subscribe((event) => event.type === "notice" && notices.push(event.text));
  await assert.rejects(DebugClient.connect(socket));
  assert.match(notices.join("\n"), /second debugger was turned away/);
  const counter = await client.memory(guest.at("counter"));
  client[Symbol.dispose]();
  await new Promise((resolve) => setTimeout(resolve, 100)); // for the guest to run in
  using second = await DebugClient.connect(socket);
  assert.equal(await second.ask("?"), INTERRUPTED);
  assert.ok(await second.memory(guest.at("counter")) > counter, "the guest ran on");
  await second.tell("k");
  const end = await machine.ended;
  assert.equal(end.end === "stopped" && end.reason, "debugger");
}

/** The end of the guest is told. */
async function theEnd({ guest, client, machine }: Session): Promise<void> {
  assert.equal(await client.setMemory(guest.at("stop"), 1n), "OK");
  assert.equal(await client.ask("c"), "W01");
  assert.equal((await machine.ended).end, "exit-port");
}

const STORIES: readonly [string, (session: Session) => Promise<void>, string?][] = [
  ["breaks, steps, reads and writes registers and memory, and is interrupted", converse],
  ["sees code it rewrote executed", rewrite],
  ["watches data", watch, "pvm-debug"],
  ["comes and goes, and kills the guest", comeAndGo],
  ["hears of the guest's end", theEnd],
];

for (const [what, story, quirk] of STORIES) {
  Deno.test(`a debugger of a guest on the soft engine ${what}`, () => debugging({ engine: "soft" }, story));
  const missing = story === theEnd ? undefined : breakpointsMissing("hardware");
  const options = { missing, ...(quirk === undefined ? {} : { quirk }) };
  const onKvm = () => debugging({ engine: "kvm" }, story, HARDWARE);
  kvmTest(`a debugger of a guest on KVM ${what}`, options, onKvm);
}

kvmTest(
  "a debugger of a guest on KVM breaks by INT3 in the guest's memory",
  { missing: breakpointsMissing("software") },
  () => debugging({ engine: "kvm" }, converse),
);

/** Waits for what is true soon. */
async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!await isTrue()) await new Promise((resolve) => setTimeout(resolve, 10));
}

Deno.test("a debugger stays when its machine resets, and so do its breakpoints", () =>
  debugging({ engine: "soft", onReboot: "reset" }, async ({ guest, client, finish }) => {
    const work = guest.at("work").toString(16);
    const broke = SOFTWARE.reply;
    await client.ask(`Z0,${work},1`);
    assert.equal(await client.ask("c"), broke);
    assert.equal(await client.ask("qRcmd,7265736574"), "OK");
    // The machine starts anew, waits, and meets the breakpoint again.
    await until(async () => await client.register("rip") !== guest.at("work"));
    assert.equal(await client.register("cr0") & 0x80000001n, 1n);
    assert.equal(await client.ask("c"), broke);
    assert.equal(await client.memory(guest.at("counter")), 1n);
    await client.ask(`z0,${work},1`);
    await finish();
  }));

Deno.test("a debugger that asks without end and takes no answers holds nothing up", () =>
  debugging({ engine: "soft" }, async ({ client, machine, socket, guest }) => {
    client[Symbol.dispose]();
    const flood = await Deno.connect({ transport: "unix", path: socket });
    const packets = new TextEncoder().encode("+$QStartNoAckMode#b0+" + "$g#67".repeat(10_000));
    const written = flood.write(packets).catch(() => 0);
    await new Promise((resolve) => setTimeout(resolve, 300));
    flood.close();
    await written;
    using second = await DebugClient.connect(socket);
    assert.equal(await second.ask("qC"), "QC1");
    assert.ok(await second.memory(guest.at("counter")) >= 0n);
    const started = performance.now();
    assert.equal((await machine.stop()).end, "stopped");
    assert.ok(performance.now() - started < 5000);
  }));

// ---- GDB itself --------------------------------------------------------------------------------------------------------

gdbTest("GDB takes the description, breaks by name, steps, watches and kills", async () => {
  const guest = debuggedGuest();
  const directory = await Deno.makeTempDir({ prefix: "hvm-gdb-" });
  try {
    await Deno.writeFile(`${directory}/guest`, guest.image);
    const names = ["main", "work", "back"].map((name) => [name, guest.at(name)] as const);
    await Deno.writeFile(`${directory}/symbols`, symbolFile(names));
    await using machine = await Machine.start({
      kernel: `${directory}/guest`,
      engine: "soft",
      memory: "16M",
      timeout: 60_000,
      gdb: `unix:${directory}/socket`,
    });
    const counter = `0x${guest.at("counter").toString(16)}`;
    const said = await gdb(directory, [
      "file symbols",
      machine.debugger!,
      "break work",
      "continue",
      "info registers cr0 cr4 efer eflags fs_base",
      "x/i $pc",
      "stepi",
      "p/x $rbx",
      "delete",
      `watch *(long *) ${counter}`,
      "continue",
      "continue",
      "p $xmm0.uint128",
      "p $st0",
      `set var *(long *) ${counter} = 77`,
      `p *(long *) ${counter}`,
      "info threads",
      "monitor registers",
      "kill",
    ]);
    for (
      const expected of [
        /Breakpoint 1, 0x[0-9a-f]+ in work \(\)/,
        /cr0 .*\[ .*PG.* \]/,
        /cr4 .*\[ .*PAE.* \]/,
        /efer .*\[ .*LMA.* \]/,
        /=> 0x[0-9a-f]+ <work>:\s+mov\s+\$0x1234,%ebx/,
        /\$1 = 0x1234/,
        /Old value = 1\nNew value = 2\n/,
        /Old value = 2\nNew value = 3\n/,
        /\$4 = 77/,
        /Thread 1 \(CPU 0\)/,
        /64-bit long mode/,
        /killed/,
      ]
    ) assert.match(said, expected, said);
    const end = await machine.ended;
    assert.equal(end.end === "stopped" && end.reason, "debugger");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

// ---- bad places --------------------------------------------------------------------------------------------------------

Deno.test("hvm run says what is wrong with a place for debuggers", async () => {
  const directory = await Deno.makeTempDir({ prefix: "hvm-gdb-" });
  try {
    await Deno.writeTextFile(`${directory}/taken`, "");
    await Deno.writeFile(`${directory}/guest`, debuggedGuest().image);
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    const cases: [string, string][] = [
      [`${port}`, `Cannot listen for gdb at port ${port}: another program listens there`],
      [
        "unix:taken",
        "Cannot listen for gdb at taken: there is a file of this name already; remove it, or take another",
      ],
      ["unix:no/where", "Cannot listen for gdb at no/where: there is no such directory"],
    ];
    for (const [place, sentence] of cases) {
      const said = await hvm("hvm", ["run", "--kernel", "guest", "--gdb", place], { cwd: directory });
      assert.equal(said.errors, `hvm: ${sentence}\n`);
      assert.equal(said.status, 125);
    }
    assert.ok(await exists(`${directory}/taken`), PROGRAM.hvm);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
