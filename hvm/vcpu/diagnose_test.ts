import assert from "node:assert/strict";
import { CR0, EFER, flatSegment, resetState, RFLAGS, SEGMENT_TYPE } from "../x86/state.ts";
import { modeName, pictureText } from "./diagnose.ts";

Deno.test("modeName tells the operating modes apart [SDM] vol. 3A, 2.2", () => {
  const state = resetState();
  assert.equal(modeName(state), "real mode");
  state.cr0 = BigInt(CR0.PE);
  assert.equal(modeName(state), "16-bit protected mode without paging");
  state.cs = flatSegment(0x10, SEGMENT_TYPE.CODE_XR_ACCESSED);
  assert.equal(modeName(state), "32-bit protected mode without paging");
  state.cr0 = BigInt(CR0.PE) | BigInt(CR0.PG);
  assert.equal(modeName(state), "32-bit protected mode");
  state.rflags |= BigInt(RFLAGS.VM);
  assert.equal(modeName(state), "virtual-8086 mode");
  state.rflags = 2n;
  state.efer = BigInt(EFER.LMA | EFER.LME);
  assert.equal(modeName(state), "compatibility mode");
  state.cs = flatSegment(0x10, SEGMENT_TYPE.CODE_XR_ACCESSED, { long: true });
  assert.equal(modeName(state), "64-bit long mode");
});

Deno.test("pictureText shows where, the bytes, every register and what to do", () => {
  const state = resetState();
  state.gpr.forEach((_, i) => state.gpr[i] = BigInt(0x1000 + i));
  state.rip = 0xffffffff81000123n;
  state.rflags = BigInt(RFLAGS.ALWAYS_ONE | RFLAGS.ZF | RFLAGS.IF);
  const text = pictureText({
    why: "it could not go on",
    state,
    code: Uint8Array.of(0x48, 0x0f, 0xc7),
    advice: ["use another engine"],
  });
  for (
    const part of [
      "it could not go on",
      "rip ffffffff81000123",
      "48 0f c7",
      "(ZF IF)",
      "cs f000 base ffff0000",
      "use another engine",
    ]
  ) assert.ok(text.includes(part), `${part} in ${text}`);
  for (let i = 0; i < 16; i++) assert.ok(text.includes((0x1000 + i).toString(16).padStart(16, "0")));
});

Deno.test("pictureText says so when the code cannot be read", () => {
  const text = pictureText({ why: "x", state: resetState(), code: new Uint8Array(0), advice: [] });
  assert.ok(text.includes("code  cannot be read"));
  assert.ok(!text.includes("What to do"));
});
