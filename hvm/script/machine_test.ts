import assert from "node:assert/strict";
import { ConfigError, HostError, ImageError } from "../base/errors.ts";
import type { MachineOptions } from "../machine/config.ts";
import { Asm } from "../testing/asm.ts";
import { kvmTest } from "../testing/kvm.ts";
import { Machine } from "./machine.ts";

const COM1 = 0x3f8;
const IRQCHIPS = ["user", "split", "kernel"] as const;

/** A flat real-mode guest, in a file of its own for as long as `use` runs. */
async function withGuest<T>(
  write: (a: Asm) => void,
  use: (options: MachineOptions) => Promise<T>,
): Promise<T> {
  const a = new Asm({ bits: 16, origin: 0 });
  write(a);
  const path = await Deno.makeTempFile({ suffix: ".bin" });
  try {
    await Deno.writeFile(path, a.assemble());
    return await use({ kernel: path, protocol: "flat", memory: "16M", timeout: 20_000 });
  } finally {
    await Deno.remove(path);
  }
}

/** Writes text to the first serial port. */
function print(a: Asm, text: string): void {
  a.mov("dx", COM1);
  for (const char of text) a.mov("al", char.charCodeAt(0)).out("dx", "al");
}

/** Sends back every byte that arrives at the first serial port, until it is a `!`. */
function echo(a: Asm): void {
  a.label("wait");
  a.mov("dx", COM1 + 5).in("al", "dx").test("al", 1).jz("wait");
  a.mov("dx", COM1).in("al", "dx").out("dx", "al").cmp("al", "!".charCodeAt(0)).jnz("wait");
}

function exit(a: Asm, value: number): void {
  a.mov("al", value).out(0xf4, "al").label("end").hlt().jmp("end");
}

for (const irqchip of IRQCHIPS) {
  kvmTest(
    `Machine runs a guest to its exit port and keeps what it printed, irqchip ${irqchip}`,
    {},
    () =>
      withGuest((a) => (print(a, "hello\n"), exit(a, 3)), async (options) => {
        await using machine = await Machine.start({ ...options, irqchip });
        const end = await machine.ended;
        assert.equal(end.end === "exit-port" && end.value, 3);
        assert.equal(machine.console.transcript, "hello\n");
        assert.equal(machine.engine.irqchip, irqchip);
        assert.ok(end.stats.exits >= 7);
      }),
  );
}

kvmTest(
  "Machine gives the guest what is sent and waits for what it says",
  {},
  () =>
    withGuest((a) => (print(a, "ready\n"), echo(a), exit(a, 0)), async (options) => {
      await using machine = await Machine.start(options);
      await machine.console.expect("ready");
      await machine.console.send("some words, more than a FIFO holds; ");
      await machine.console.expect(/holds; $/);
      await machine.console.send("!");
      assert.equal((await machine.ended).end, "exit-port");
    }),
);

kvmTest(
  "Machine brings in more than its rings hold, in order",
  {},
  () =>
    withGuest((a) => (echo(a), exit(a, 0)), async (options) => {
      const text = Array.from({ length: 12_000 }, (_, i) => `${i} `).join("");
      let seen = "";
      await using machine = await Machine.start({ ...options, timeout: 60_000 }, {
        output: (bytes) => {
          seen += new TextDecoder().decode(bytes);
        },
      });
      await machine.console.send(`${text}!`);
      await machine.ended;
      assert.equal(seen, `${text}!`);
    }),
);

kvmTest("Machine holds a guest back whose reader is slow, and loses nothing", {}, () =>
  withGuest((a) => {
    // 8 x 65536 bytes: twice what the ring holds.
    a.mov("bx", 8).label("outer").xor("cx", "cx").label("inner").mov("dx", COM1).mov("al", "bl").out(
      "dx",
      "al",
    );
    a.dec("cx").jnz("inner").dec("bx").jnz("outer");
    exit(a, 0);
  }, async (options) => {
    const gate = Promise.withResolvers<void>();
    let count = 0;
    await using machine = await Machine.start({ ...options, timeout: 60_000 }, {
      output: (bytes) => {
        count += bytes.length;
        return gate.promise;
      },
    });
    await Promise.race([machine.ended, new Promise((resolve) => setTimeout(resolve, 300))]);
    assert.ok(count < 8 * 65536);
    gate.resolve();
    const end = await machine.ended;
    assert.equal(end.end, "exit-port");
    assert.equal(count, 8 * 65536);
  }));

kvmTest(
  "Machine can be stopped while its guest waits for a reader that never reads",
  {},
  () =>
    withGuest((a) => (a.label("on"), print(a, "more"), a.jmp("on")), async (options) => {
      await using machine = await Machine.start(options, { output: () => new Promise<void>(() => {}) });
      await machine.console.expect("m");
      const stopped = machine.stop();
      assert.ok(await Promise.race([stopped.then(() => true), timeout(10_000)]));
    }),
);

function timeout(ms: number): Promise<false> {
  return new Promise((resolve) => Deno.unrefTimer(setTimeout(() => resolve(false), ms)));
}

for (
  const [name, body] of [
    ["spins", (a: Asm) => a.label("on").jmp("on")],
    ["has halted for ever", (a: Asm) => a.cli().hlt()],
  ] as const
) {
  for (const irqchip of IRQCHIPS) {
    kvmTest(
      `Machine stops a guest that ${name}, irqchip ${irqchip}`,
      {},
      () =>
        withGuest((a) => (print(a, "here"), body(a)), async (options) => {
          await using machine = await Machine.start({ ...options, irqchip });
          await machine.console.expect("here");
          assert.deepEqual({ ...await machine.stop(), stats: 0 }, {
            end: "stopped",
            reason: "script",
            stats: 0,
          });
        }),
    );
  }
}

kvmTest(
  "Machine ends a guest whose time is over and shows where it was",
  {},
  () =>
    withGuest((a) => a.label("on").jmp("on"), async (options) => {
      await using machine = await Machine.start({ ...options, timeout: 100 });
      const end = await machine.ended;
      assert.equal(end.end, "timeout");
      assert.match(end.end === "timeout" && end.diagnosis || "", /real mode.*\n.*code {2}eb fe/);
    }),
);

kvmTest("Machine names the ways a guest can end", {}, async () => {
  const cases: [string, (a: Asm) => void, object][] = [
    ["CF9h", (a) => a.mov("dx", 0xcf9).mov("al", 6).out("dx", "al"), {
      end: "reboot",
      cause: "reset-control",
    }],
    ["the keyboard controller", (a) => a.mov("al", 0xfe).out(0x64, "al"), {
      end: "reboot",
      cause: "keyboard-controller",
    }],
    ["port 92h", (a) => a.mov("al", 1).out(0x92, "al"), { end: "reboot", cause: "port-92" }],
    ["PM1 control", (a) => a.mov("dx", 0x604).mov("ax", 0x2000).out("dx", "ax"), { end: "poweroff" }],
    ["pvpanic", (a) => a.mov("dx", 0x505).mov("al", 1).out("dx", "al"), { end: "panic" }],
    ["the status port", (a) => a.mov("al", 42).out(0xf8, "al"), { end: "command", status: 42 }],
  ];
  for (const [name, body, expected] of cases) {
    await withGuest((a) => (body(a), a.cli().hlt()), async (options) => {
      await using machine = await Machine.start(options);
      const end: Record<string, unknown> = { ...await machine.ended };
      for (const [key, value] of Object.entries(expected)) assert.equal(end[key], value, name);
    });
  }
});

kvmTest(
  "Machine starts a guest again after a reset when it is to, with memory as it was at first",
  {},
  () =>
    withGuest((a) => {
      // The first run leaves a mark below 64 KiB and in the CMOS, prints, and resets; the second finds no mark in memory.
      a.xor("ax", "ax").mov("ds", "ax").mov("bx", 0x7000);
      a.mov("al", 0x50).out(0x70, "al").in("al", 0x71).test("al", "al").jnz("second");
      a.mov("al", 0x50).out(0x70, "al").mov("al", 1).out(0x71, "al");
      print(a, "first ");
      a.mov("dx", 0xcf9).mov("al", 6).out("dx", "al").label("stay").hlt().jmp("stay");
      a.label("second");
      print(a, "second");
      exit(a, 5);
    }, async (options) => {
      const causes: string[] = [];
      await using machine = await Machine.start({ ...options, onReboot: "reset", timeout: 5000 });
      machine.events.subscribe((event) => event.type === "reset" && causes.push(event.cause));
      const end = await machine.ended;
      assert.equal(end.end, "exit-port");
      assert.equal(machine.console.transcript, "first second");
      assert.deepEqual(causes, ["reset-control"]);
    }),
);

kvmTest(
  "Machine writes the first serial port to a file and trace points to another",
  {},
  () =>
    withGuest((a) => (print(a, "to a file"), exit(a, 0)), async (options) => {
      const directory = await Deno.makeTempDir();
      try {
        const machine = await Machine.start({
          ...options,
          serial: `file:${directory}/out`,
          trace: `${directory}/trace`,
        });
        await machine.ended;
        assert.equal(await Deno.readTextFile(`${directory}/out`), "to a file");
        assert.match(await Deno.readTextFile(`${directory}/trace`), /^exit \d+$/m);
      } finally {
        await Deno.remove(directory, { recursive: true });
      }
    }),
);

kvmTest("Machine keeps debug text apart from the console", {}, () =>
  withGuest((a) => {
    for (const char of "dbg") a.mov("al", char.charCodeAt(0)).out(0xe9, "al");
    exit(a, 0);
  }, async (options) => {
    await using machine = await Machine.start(options);
    await machine.ended;
    assert.equal(machine.debugText, "dbg");
    assert.equal(machine.console.transcript, "");
  }));

kvmTest(
  "many machines run at once in one process",
  {},
  () =>
    withGuest((a) => (print(a, "x"), echo(a), exit(a, 1)), async (options) => {
      const machines = await Promise.all(Array.from({ length: 6 }, () => Machine.start(options)));
      for (const [i, machine] of machines.entries()) await machine.console.send(`${i}!`);
      const ends = await Promise.all(machines.map((machine) => machine.ended));
      assert.deepEqual(ends.map((end) => end.end), Array(6).fill("exit-port"));
      machines.forEach((machine, i) => assert.equal(machine.console.transcript, `x${i}!`));
    }),
);

kvmTest(
  "Machine gives back descriptors and memory, whether it ran or could not start",
  {},
  () =>
    withGuest((a) => exit(a, 0), async (options) => {
      const descriptors = () => [...Deno.readDirSync("/proc/self/fd")].length;
      await (await Machine.start(options)).ended;
      const before = descriptors();
      for (let i = 0; i < 5; i++) {
        await (await Machine.start(options)).ended;
        await assert.rejects(Machine.start({ ...options, protocol: "multiboot" }), ImageError);
      }
      // The runtime closes what a worker had once its thread has gone, some time after it was told to.
      for (let tries = 0; descriptors() > before && tries < 200; tries++) {
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
      assert.ok(descriptors() <= before, `${descriptors()} descriptors, ${before} before`);
      const maps = await Deno.readTextFile("/proc/self/maps");
      assert.ok(!maps.includes("hvm-ram"));
    }),
);

Deno.test("Machine refuses what makes no sense before anything is made", async () => {
  await assert.rejects(async () => await Machine.start({ memory: "0" }), ConfigError);
  await assert.rejects(async () => await Machine.start({ kernel: "/no/such/kernel" }), ImageError);
  await assert.rejects(
    async () => await Machine.start({ engine: "soft", irqchip: "kernel" }),
    (error) => error instanceof ConfigError || error instanceof HostError,
  );
});
