import assert from "node:assert/strict";
import plugin from "./lint_plugin.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const HEADER = "/** What it is for. @module */\n";

/** What the rules say about a text, as `rule: message`. */
function lint(path: string, text: string): string[] {
  return Deno.lint.runPlugin(plugin, `${ROOT}${path}`, text).map(({ id, message }) => `${id}: ${message}`);
}

const UART = `${HEADER}
const LCR = { DLAB: 0x80, STOP: 0x04 } as const;
const FCR = { ENABLE: 0x01, CLEAR: 0x02 } as const;
`;

Deno.test("bit-of-its-register finds a FIFO bit tested on the line control register", () => {
  const found = lint(
    "devices/u.ts",
    `${UART}const a = state.lcr & FCR.CLEAR; const b = fcr & FCR.ENABLE; lcr & LCR.DLAB;`,
  );
  assert.deepEqual(found, ["hvm/bit-of-its-register: FCR.CLEAR is a bit of FCR, not of LCR"]);
});

Deno.test("bit-of-its-register allows its own register, plain values and either order", () => {
  const text = `${UART}lcr & LCR.DLAB; value & FCR.CLEAR; LCR.STOP & this.#lcr; this.#fcr |= FCR.ENABLE;`;
  assert.deepEqual(lint("devices/u.ts", text), []);
  assert.equal(lint("devices/u.ts", `${text} this.#lcr |= FCR.ENABLE;`).length, 1);
});

Deno.test("bit-of-its-register finds two names for one bit, in objects used as bits only", () => {
  const twins = `${HEADER}const CR4 = { PCE: 1 << 8, OSFXSR: 0x100 } as const; value & CR4.PCE;`;
  assert.deepEqual(lint("hvm/x86/c.ts", twins), [
    "hvm/bit-of-its-register: CR4.OSFXSR and CR4.PCE are the same bit",
  ]);
  assert.deepEqual(lint("devices/u.ts", `${HEADER}const REG = { RBR: 1, DLL: 1 } as const; f(REG.RBR);`), []);
});

Deno.test("pure refuses Deno and real time in pure folders, but lets tests register themselves", () => {
  assert.match(lint("devices/u.ts", `${HEADER}Deno.readFileSync("x");`).join(), /hvm\/pure: Deno/);
  assert.match(lint("acpi/u.ts", `${HEADER}const t = Date.now();`).join(), /hvm\/pure: Date/);
  assert.match(lint("firmware/u.ts", `${HEADER}setTimeout(f, 1);`).join(), /hvm\/pure: setTimeout/);
  assert.match(lint("hvm/io/u.ts", `${HEADER}new Date();`).join(), /hvm\/pure: Date/);
  assert.deepEqual(lint("hvm/host/u.ts", `${HEADER}Deno.readFileSync("x");`), []);
  assert.deepEqual(lint("devices/u_test.ts", `Deno.test("x", () => assert.ok(1));`), []);
  assert.match(lint("devices/u_test.ts", `Deno.test("x", () => assert.ok(Deno.args));`).join(), /hvm\/pure/);
});

Deno.test("quiet keeps the console to tests and scripts", () => {
  assert.match(lint("hvm/vcpu/u.ts", `${HEADER}console.log(1);`).join(), /hvm\/quiet/);
  assert.deepEqual(lint("scripts/u.ts", `${HEADER}console.log(1);`), []);
  assert.deepEqual(lint("hvm/script/u.ts", `${HEADER}console.send("x");`), []);
});

Deno.test("module-header wants a sentence and the tag, of modules that are no tests", () => {
  assert.match(lint("hvm/vcpu/u.ts", "export const a = 1;").join(), /hvm\/module-header/);
  assert.match(lint("hvm/vcpu/u.ts", "/** Says it. */\nexport const a = 1;").join(), /hvm\/module-header/);
  assert.match(lint("hvm/vcpu/u.ts", "/** @module */\nexport const a = 1;").join(), /hvm\/module-header/);
  assert.deepEqual(lint("hvm/vcpu/u.ts", `${HEADER}export const a = 1;`), []);
  assert.deepEqual(lint("hvm/vcpu/u_test.ts", "export const a = 1;"), []);
});

Deno.test("test-asserts finds a test that cannot fail", () => {
  const none = `Deno.test("x", () => { console.log(f()); });`;
  assert.match(lint("hvm/vcpu/u_test.ts", none).join(), /hvm\/test-asserts/);
  assert.match(
    lint("hvm/vcpu/u_test.ts", `Deno.test({ name: "x", fn() { f(); } });`).join(),
    /hvm\/test-asserts/,
  );
  const helper = `function same(a, b) { assert.equal(a, b); } Deno.test("x", () => same(1, 1));`;
  assert.deepEqual(lint("hvm/vcpu/u_test.ts", helper), []);
});
