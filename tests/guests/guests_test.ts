import assert from "node:assert/strict";
import { kvmTest } from "../../hvm/testing/kvm.ts";
import { QUIRKS } from "../../hvm/vendor/quirks.ts";
import { ALL_IRQCHIPS, forbidding } from "./guest.ts";
import { GUEST_PROGRAMS } from "./manifest.ts";
import { assertExpected, runProgram } from "./run.ts";
import { hvmArgs, writeAll } from "./write_all.ts";

const NEEDS = { user: [], split: ["SPLIT_IRQCHIP"], kernel: ["PIT2"] } as const;

for (const irqchip of ALL_IRQCHIPS) {
  for (const program of GUEST_PROGRAMS.filter(({ irqchips }) => irqchips.includes(irqchip))) {
    const [quirk] = forbidding(program, irqchip);
    const options = { needs: NEEDS[irqchip], ...(quirk === undefined ? {} : { quirk }) };
    kvmTest(
      `guest ${program.name} with irqchip ${irqchip}`,
      options,
      async () => assertExpected(program, await runProgram(program, { engine: "kvm", irqchip })),
    );
  }
}

Deno.test("guest programs have names that are files' and that occur once", () => {
  const names = GUEST_PROGRAMS.map(({ name }) => name);
  assert.ok(names.length > 90);
  assert.equal(new Set(names).size, names.length);
  for (const name of names) assert.match(name, /^[a-z0-9-]+$/);
});

Deno.test("guest programs are kept from hosts by quirk rows that exist, and from no mode without one", () => {
  const rows = new Set(QUIRKS.map(({ id }) => id));
  for (const { name, quirks, irqchips } of GUEST_PROGRAMS) {
    for (const { id } of quirks) assert.ok(rows.has(id), `${name}: ${id}`);
    assert.ok(irqchips.length > 0, name);
    assert.ok(irqchips.includes("user"), `${name}: the reference mode has everything`);
  }
});

Deno.test("guest programs are the same bytes whenever they are built", () => {
  for (const program of GUEST_PROGRAMS) assert.deepEqual(program.build(), program.build(), program.name);
});

Deno.test("guest programs cover every boot protocol and every end", () => {
  const protocols = new Set(GUEST_PROGRAMS.map(({ protocol }) => protocol));
  assert.deepEqual([...protocols].sort(), ["flat", "multiboot", "pvh"]);
  const ends = new Set(GUEST_PROGRAMS.map(({ expect }) => expect.end));
  assert.deepEqual([...ends].sort(), ["exit-port", "panic", "poweroff", "reboot", "triple-fault"]);
});

Deno.test("writeAll writes every file that its manifest's options name", async () => {
  const folder = await Deno.makeTempDir({ prefix: "hvm-guests-" });
  try {
    const entries = await writeAll(folder);
    const text = await Deno.readTextFile(`${folder}/manifest.json`);
    assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(entries)));
    assert.equal(entries.length, GUEST_PROGRAMS.length);
    for (const [i, { args, file }] of entries.entries()) {
      assert.deepEqual(args, hvmArgs(GUEST_PROGRAMS[i]!));
      const files = args.flatMap((arg, at) =>
        /^--(kernel|initrd|boot-module)$/.test(arg) ? [args[at + 1]!] : []
      );
      assert.equal(files[0], file);
      for (const name of files) {
        const { size } = await Deno.stat(`${folder}/${name.split(",")[0]}`);
        assert.ok(size > 0, name);
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
