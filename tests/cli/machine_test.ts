/**
 * `hvm run` over a real machine: guests of a few instructions, entered by multiboot.
 */

import assert from "node:assert/strict";
import { Asm, mem, ref } from "../../hvm/testing/asm.ts";
import { kvmTest } from "../../hvm/testing/kvm.ts";
import { multibootHeader } from "../guests/build.ts";
import { hvm, PROGRAM, Running, type Said, shell } from "./rig.ts";

const ORIGIN = 0x100000;
const COM1 = 0x3f8;
const LINE_STATUS = COM1 + 5;
const TEST_EXIT = 0xf4;

/** A multiboot image of 32-bit code. */
function image(write: (asm: Asm) => unknown): Uint8Array {
  const header = 48;
  const asm = new Asm({ origin: ORIGIN + header, bits: 32 });
  write(asm);
  const code = asm.assemble();
  const bytes = new Uint8Array(header + code.length);
  bytes.set(code, header);
  bytes.set(multibootHeader(0, { origin: ORIGIN, entry: ORIGIN + header, bytes, bssBytes: 0 }));
  return bytes;
}

function print(asm: Asm, text: string): Asm {
  for (const char of text) asm.mov("dx", COM1).mov("al", char.charCodeAt(0)).out("dx", "al");
  return asm;
}

function exit(asm: Asm, value: number): Asm {
  return asm.mov("al", value).out(TEST_EXIT, "al").cli().hlt();
}

/** Guests by name. */
const GUESTS: Readonly<Record<string, (asm: Asm) => unknown>> = {
  hello: (asm) => exit(print(asm, "hello\n"), 3),
  /** Sleeps with nothing to wake it. */
  idle: (asm) => print(asm, "idle\n").cli().label("x").hlt().jmp("x"),
  /** Never leaves by itself, exits included. */
  spin: (asm) => print(asm, "spin\n").label("x").jmp("x"),
  flood: (asm) => asm.label("x").mov("dx", COM1).mov("al", 0x2e).out("dx", "al").jmp("x"),
  /** No interrupt table: the first exception is the last. */
  crash: (asm) => print(asm, "crash\n").lidt(mem(ref("table"))).db(0x0f, 0x0b).label("table").dw(0, 0, 0),
  /** Sends back what it receives; ends at q. */
  echo: (asm) => {
    print(asm, "ready\n");
    asm.label("wait").mov("dx", LINE_STATUS).in("al", "dx").test("al", 1).jz("wait");
    asm.mov("dx", COM1).in("al", "dx").out("dx", "al").cmp("al", 0x71).jnz("wait");
    exit(asm, 0);
  },
};

async function withGuests(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "hvm-machine-" });
  try {
    for (const [name, write] of Object.entries(GUESTS)) {
      await Deno.writeFile(`${directory}/${name}`, image(write));
    }
    await work(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function start(directory: string, ...args: string[]): Running {
  return new Running([
    Deno.execPath(),
    "run",
    "-A",
    "--no-check",
    "--quiet",
    PROGRAM.hvm,
    "run",
    "--kernel",
    ...args,
  ], {
    cwd: directory,
  });
}

/** Standard error without the line that names the engine, which comes first. */
function messages({ errors }: Said): string {
  assert.match(errors, /^hvm: engine [^\n]+\n/);
  return errors.slice(errors.indexOf("\n") + 1);
}

kvmTest("hvm run of a guest that writes to its port F4h", {}, async () => {
  await withGuests(async (directory) => {
    const said = await hvm("hvm", ["run", "--kernel", "hello", "--memory", "16M", "--json", "r.json"], {
      cwd: directory,
    });
    assert.equal(said.out, "hello\n");
    assert.equal(messages(said), "");
    assert.equal(said.status, 7);
    const result = JSON.parse(await Deno.readTextFile(`${directory}/r.json`));
    assert.deepEqual([result.end, result.value, result.status], ["exit-port", 3, 7]);
  });
});

kvmTest("hvm run of a guest that crashes: 255, and a picture of it", {}, async () => {
  await withGuests(async (directory) => {
    const said = await hvm("hvm", ["run", "--kernel", "crash"], { cwd: directory });
    assert.equal(said.status, 255);
    assert.match(messages(said), /^hvm: [^\n]*triple fault[^\n]*\n[^]*RIP/i);
  });
});

kvmTest(
  "hvm run ends guests that never would: 124 for a time-out, 143 and so on for signals",
  {},
  async () => {
    await withGuests(async (directory) => {
      for (const guest of ["idle", "spin"]) {
        const late = await hvm("hvm", ["run", "--kernel", guest, "--timeout", "4"], { cwd: directory });
        assert.equal(late.out, `${guest}\n`);
        assert.equal(late.status, 124);
        for (const [signal, status] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
          await using running = start(directory, guest);
          await running.until(/\n/);
          running.kill(signal);
          const said = await running.end();
          assert.equal(messages(said), `hvm: The guest was stopped by ${signal}\n`);
          assert.equal(said.status, status);
        }
      }
    });
  },
);

kvmTest("hvm run ends when nobody reads the guest's output any more", {}, async () => {
  await withGuests(async (directory) => {
    const command = `'${Deno.execPath()}' run -A --no-check --quiet '${PROGRAM.hvm}' run --kernel flood`;
    const said = await shell(`set -o pipefail; ${command} | head -c 100 > /dev/null`, { cwd: directory });
    assert.equal(messages(said), "hvm: Cannot write the guest's output: standard output was closed\n");
    assert.equal(said.status, 125);
  });
});

kvmTest(
  "hvm run gives the guest what is piped in, and it may end before it has read everything",
  {},
  async () => {
    await withGuests(async (directory) => {
      const said = await hvm("hvm", ["run", "--kernel", "echo"], {
        cwd: directory,
        input: `abc${"d".repeat(1000)}qrest`,
      });
      assert.equal(said.out, `ready\nabc${"d".repeat(1000)}q`);
      assert.equal(said.status, 1);
    });
  },
);

kvmTest("hvm run --serial file: keeps the guest's output from standard output", {}, async () => {
  await withGuests(async (directory) => {
    const said = await hvm("hvm", ["run", "--kernel", "hello", "--serial", "file:serial.log"], {
      cwd: directory,
    });
    assert.equal(said.out, "");
    assert.equal(await Deno.readTextFile(`${directory}/serial.log`), "hello\n");
    const bad = await hvm("hvm", ["run", "--kernel", "hello", "--serial", "file:missing/serial.log"], {
      cwd: directory,
    });
    assert.match(bad.errors, /^hvm: [^\n]*missing\/serial\.log[^\n]*\n$/);
    assert.equal(bad.status, 125);
    const none = await hvm("hvm", ["run", "--kernel", "hello", "--serial", "null"], { cwd: directory });
    assert.deepEqual([none.out, none.status], ["", 7]);
  });
});

kvmTest(
  "hvm run refuses a kernel cut anywhere in its header, and an initrd larger than memory: 126",
  {},
  async () => {
    await withGuests(async (directory) => {
      const whole = image(GUESTS.hello ?? (() => {}));
      for (const length of [1, 4, 11, 13, 31, 47]) {
        await Deno.writeFile(`${directory}/cut`, whole.subarray(0, length));
        const said = await hvm("hvm", ["run", "--kernel", "cut"], { cwd: directory });
        assert.match(said.errors, /^hvm: [^\n]+\n$/, `${length} bytes: ${said.errors}`);
        assert.equal(said.status, 126, `${length} bytes: ${said.errors}`);
      }
      await Deno.writeFile(`${directory}/initrd`, new Uint8Array(17 << 20).fill(1));
      const large = await hvm("hvm", ["run", "--kernel", "hello", "--initrd", "initrd", "--memory", "16M"], {
        cwd: directory,
      });
      assert.match(large.errors, /^hvm: [^\n]+\n$/);
      assert.equal(large.status, 126);
    });
  },
);
