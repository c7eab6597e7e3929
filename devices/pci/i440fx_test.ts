import assert from "node:assert/strict";
import { deviceContract } from "../../hvm/testing/device_contract.ts";
import { CONFIG_ONLY_STATE } from "./config_state.ts";
import { I440fx, I440FX_REG as REG, SHADOW_SEGMENTS, SMRAM } from "./i440fx.ts";

function rig() {
  const told: string[] = [];
  const open: boolean[] = [];
  const resets: boolean[] = [];
  const chip = new I440fx({
    id: "i440fx",
    shadow: ({ base, length }, { read, write }) =>
      told.push(`${base.toString(16)}+${length.toString(16)} ${read ? "r" : "-"}${write ? "w" : "-"}`),
    smram: (isOpen) => open.push(isOpen),
    reset: (system) => resets.push(system),
  });
  return { chip, told, open, resets, put: (at: number, value: number) => chip.config.write(at, 1, value) };
}

deviceContract("I440fx", {
  build: () => {
    const { chip } = rig();
    return { device: chip, windows: [chip.config] };
  },
  schema: CONFIG_ONLY_STATE,
});

Deno.test("I440fx header and reset values [82441FX] register description", () => {
  const { config } = rig().chip;
  assert.equal(config.read(0x00, 4), 0x12378086);
  assert.equal(config.read(0x04, 4), 0x02800006);
  assert.equal(config.read(0x08, 4), 0x06000002);
  assert.equal(config.read(0x0e, 1), 0x00);
  assert.equal(config.read(REG.PAM0, 1), 0);
  assert.equal(config.read(REG.PAM0 + 3, 4), 0);
  assert.equal(config.read(REG.SMRAM, 1), 0x02);
});

Deno.test("I440fx segments cover C0000h to FFFFFh once [82441FX] PAM", () => {
  const sorted = SHADOW_SEGMENTS.toSorted((a, b) => a.base - b.base);
  let at = 0xc0000;
  for (const { base, length } of sorted) {
    assert.equal(base, at);
    at += length;
  }
  assert.equal(at, 0x100000);
});

Deno.test("I440fx tells what each PAM register changes [82441FX] PAM", () => {
  const { told, put } = rig();
  put(REG.PAM0, 0x30);
  assert.deepEqual(told.splice(0), ["f0000+10000 rw"]);
  put(REG.PAM0, 0x1f);
  assert.deepEqual(told.splice(0), ["f0000+10000 r-"]);
  for (let i = 1; i <= 6; i++) {
    const base = 0xc0000 + (i - 1) * 0x8000;
    put(REG.PAM0 + i, 0x21);
    assert.deepEqual(told.splice(0), [
      `${base.toString(16)}+4000 r-`,
      `${(base + 0x4000).toString(16)}+4000 -w`,
    ]);
  }
  put(REG.PAM0 + 1, 0x21);
  assert.deepEqual(told, [], "nothing changed");
});

Deno.test("I440fx takes all shadow memory back at reset", () => {
  const { chip, told } = rig();
  chip.config.write(REG.PAM0 + 3, 4, 0x33333333);
  told.length = 0;
  chip.reset();
  assert.equal(told.length, 8);
  assert.ok(told.every((line) => line.endsWith("--")));
});

Deno.test("I440fx tells the board the attributes it loads", () => {
  const first = rig();
  first.put(REG.PAM0, 0x10);
  const second = rig();
  second.chip.load(first.chip.save());
  assert.deepEqual(second.told, ["f0000+10000 r-"]);
});

Deno.test("I440fx opens SMM memory, and never again once locked [82441FX] SMRAM", () => {
  const { chip, open, put } = rig();
  put(REG.SMRAM, SMRAM.OPEN);
  assert.deepEqual(open, [], "not enabled");
  put(REG.SMRAM, SMRAM.OPEN | SMRAM.ENABLE);
  assert.deepEqual(open.splice(0), [true]);
  put(REG.SMRAM, SMRAM.OPEN | SMRAM.ENABLE | SMRAM.CLOSED);
  assert.deepEqual(open.splice(0), [false]);
  put(REG.SMRAM, SMRAM.OPEN | SMRAM.ENABLE | SMRAM.LOCK);
  assert.equal(chip.config.read(REG.SMRAM, 1), SMRAM.ENABLE | SMRAM.LOCK | 0x02);
  put(REG.SMRAM, SMRAM.OPEN);
  assert.equal(chip.config.read(REG.SMRAM, 1), SMRAM.ENABLE | SMRAM.LOCK | 0x02);
  assert.deepEqual(open, []);
  const other = rig();
  other.chip.load(chip.save());
  other.put(REG.SMRAM, SMRAM.OPEN);
  assert.equal(
    other.chip.config.read(REG.SMRAM, 1),
    SMRAM.ENABLE | SMRAM.LOCK | 0x02,
    "the lock is loaded too",
  );
  chip.reset();
  put(REG.SMRAM, SMRAM.OPEN | SMRAM.ENABLE);
  assert.deepEqual(open, [true], "until reset");
});

Deno.test("I440fx resets through TRC when bit 2 rises [82441FX] TRC", () => {
  const { resets, put } = rig();
  put(REG.TRC, 0x02);
  put(REG.TRC, 0x06);
  put(REG.TRC, 0x06);
  put(REG.TRC, 0x00);
  put(REG.TRC, 0x04);
  assert.deepEqual(resets, [true, false]);
});
