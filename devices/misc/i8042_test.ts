import assert from "node:assert/strict";
import { deviceContract } from "../../hvm/testing/device_contract.ts";
import { RecordedLine } from "../../hvm/testing/rig.ts";
import { toSet1 } from "./_scan_codes.ts";
import { I8042, KBC_CMD as CMD, KBC_CONFIG as CONFIG, KBC_STATUS as STATUS } from "./i8042.ts";
import { I8042_STATE } from "./i8042_state.ts";

function rig() {
  const keyboardIrq = new RecordedLine();
  const auxIrq = new RecordedLine();
  const a20 = new RecordedLine();
  const lights: number[] = [];
  let resets = 0;
  const kbc = new I8042({
    id: "i8042",
    keyboardIrq,
    auxIrq,
    a20,
    reset: () => resets++,
    leds: (leds) => lights.push(leds),
  });
  const status = () => kbc.command.read(0, 1);
  const get = () => kbc.data.read(0, 1);
  return {
    kbc,
    keyboardIrq,
    auxIrq,
    a20,
    lights,
    resets: () => resets,
    status,
    get,
    put: (value: number) => kbc.data.write(0, 1, value),
    command: (value: number) => kbc.command.write(0, 1, value),
    /** All that waits, as [status bits of interest, byte]. */
    drain: () => {
      const bytes: number[] = [];
      while ((status() & STATUS.OUTPUT_FULL) !== 0) bytes.push(get());
      return bytes;
    },
  };
}

deviceContract("I8042", {
  build: () => {
    const { kbc } = rig();
    return { device: kbc, windows: [kbc.data, kbc.command] };
  },
  schema: I8042_STATE,
});

Deno.test("I8042 self test answers 55h, interface tests 00h, password test F1h [PS2]", () => {
  const { command, drain, status } = rig();
  command(CMD.SELF_TEST);
  assert.deepEqual(drain(), [0x55]);
  assert.ok(status() & STATUS.SYSTEM);
  command(CMD.TEST_KBD);
  command(CMD.TEST_AUX);
  command(CMD.TEST_PASSWORD);
  assert.deepEqual(drain(), [0x00, 0x00, 0xf1]);
});

Deno.test("I8042 is never inhibited or busy, and marks the last write as command or data [PS2]", () => {
  const { command, put, status } = rig();
  assert.equal(status() & (STATUS.NOT_INHIBITED | STATUS.INPUT_FULL), STATUS.NOT_INHIBITED);
  command(CMD.ENABLE_KBD);
  assert.ok(status() & STATUS.COMMAND);
  put(0xed);
  assert.equal(status() & STATUS.COMMAND, 0);
});

Deno.test("I8042 command byte is written, read back, and shows its system bit in the status [PS2]", () => {
  const { command, put, drain, status } = rig();
  for (const value of [0x00, 0x47, 0x74, 0x65]) {
    command(CMD.WRITE_RAM);
    put(value);
    command(CMD.READ_RAM);
    assert.deepEqual(drain(), [value]);
    assert.equal(status() & STATUS.SYSTEM, value & CONFIG.SYSTEM);
  }
});

Deno.test("I8042 keeps the other 31 bytes of its memory", () => {
  const { command, put, drain } = rig();
  for (let at = 1; at < 32; at++) {
    command(CMD.WRITE_RAM + at);
    put(0xc0 ^ at);
  }
  for (let at = 1; at < 32; at++) {
    command(CMD.READ_RAM + at);
    assert.deepEqual(drain(), [0xc0 ^ at]);
  }
  command(CMD.READ_RAM);
  assert.deepEqual(drain(), [0x65]);
});

Deno.test("I8042 switches its interfaces by command [PS2]", () => {
  const { command, drain } = rig();
  const config = () => {
    command(CMD.READ_RAM);
    return drain()[0]!;
  };
  command(CMD.DISABLE_KBD);
  command(CMD.ENABLE_AUX);
  assert.equal(config() & 0x30, CONFIG.DISABLE_KBD);
  command(CMD.ENABLE_KBD);
  command(CMD.DISABLE_AUX);
  assert.equal(config() & 0x30, CONFIG.DISABLE_AUX);
});

Deno.test("I8042 keyboard resets and names itself, translated [PS2KBD]", () => {
  const { put, drain } = rig();
  put(0xff);
  assert.deepEqual(drain(), [0xfa, 0xaa]);
  put(0xf2);
  assert.deepEqual(drain(), [0xfa, 0xab, 0x41]);
});

Deno.test("I8042 keyboard names itself AB 83 when nothing is translated [PS2KBD]", () => {
  const { command, put, drain } = rig();
  command(CMD.WRITE_RAM);
  put(0x05);
  put(0xf2);
  assert.deepEqual(drain(), [0xfa, 0xab, 0x83]);
});

Deno.test("I8042 keyboard acknowledges lights, rate, set, enable and defaults [PS2KBD]", () => {
  const { put, drain, lights } = rig();
  for (const bytes of [[0xed, 0x05], [0xf3, 0x00], [0xf0, 0x02]]) {
    for (const byte of bytes) put(byte);
    assert.deepEqual(drain(), [0xfa, 0xfa]);
  }
  assert.deepEqual(lights, [5]);
  for (const byte of [0xf4, 0xf5, 0xf6, 0xf8, 0xfa]) {
    put(byte);
    assert.deepEqual(drain(), [0xfa]);
  }
  put(0xee);
  assert.deepEqual(drain(), [0xee]);
});

Deno.test("I8042 keyboard tells its scan code set, refuses others, and asks for unknown commands again [PS2KBD]", () => {
  const { command, put, drain } = rig();
  command(CMD.WRITE_RAM);
  put(0x05);
  put(0xf0);
  put(0x00);
  assert.deepEqual(drain(), [0xfa, 0xfa, 0x02]);
  put(0xf0);
  put(0x04);
  assert.deepEqual(drain(), [0xfa, 0xfe]);
  put(0xf1);
  assert.deepEqual(drain(), [0xfe]);
  put(0x05);
  assert.deepEqual(drain(), [0xfe]);
});

Deno.test("I8042 keyboard resends its last byte [PS2KBD]", () => {
  const { put, drain } = rig();
  put(0xf2);
  drain();
  put(0xfe);
  assert.deepEqual(drain(), [0x41]);
});

Deno.test("I8042 keyboard takes a command in place of an awaited parameter [PS2KBD]", () => {
  const { put, drain, lights } = rig();
  put(0xed);
  put(0xf4);
  assert.deepEqual(drain(), [0xfa, 0xfa]);
  assert.deepEqual(lights, []);
});

Deno.test("I8042 raises IRQ 1 once for each keyboard byte, when enabled [PS2]", () => {
  const { put, get, command, keyboardIrq } = rig();
  put(0xf2);
  assert.equal(keyboardIrq.rises, 1);
  get();
  assert.equal(keyboardIrq.rises, 2);
  get();
  get();
  assert.equal(keyboardIrq.rises, 3);
  assert.ok(!keyboardIrq.level);
  command(CMD.WRITE_RAM);
  put(0x44);
  put(0xee);
  assert.ok(!keyboardIrq.level);
});

Deno.test("I8042 passes Linux's probe of the auxiliary port: loop-back, switch, interrupt", () => {
  const { command, put, get, drain, status, auxIrq, keyboardIrq } = rig();
  command(CMD.WRITE_AUX_BUFFER);
  put(0x5a);
  assert.equal(status() & (STATUS.AUX | STATUS.OUTPUT_FULL), STATUS.AUX | STATUS.OUTPUT_FULL);
  assert.equal(get(), 0x5a);
  command(CMD.DISABLE_AUX);
  command(CMD.READ_RAM);
  assert.ok(drain()[0]! & CONFIG.DISABLE_AUX);
  command(CMD.ENABLE_AUX);
  command(CMD.READ_RAM);
  assert.equal(drain()[0]! & CONFIG.DISABLE_AUX, 0);
  for (const value of [0xf0, 0x56, 0xa4]) {
    command(CMD.WRITE_AUX_BUFFER);
    put(value);
    assert.deepEqual(drain(), [value], "no multiplexer");
  }
  command(CMD.WRITE_RAM);
  put(0x46);
  const before = keyboardIrq.rises;
  command(CMD.WRITE_AUX_BUFFER);
  put(0xa5);
  assert.ok(auxIrq.level);
  assert.equal(keyboardIrq.rises, before);
  assert.equal(get(), 0xa5);
  assert.ok(!auxIrq.level);
});

Deno.test("I8042 times out on the empty auxiliary port [PS2]", () => {
  const { command, put, get, status } = rig();
  command(CMD.WRITE_AUX);
  put(0xff);
  assert.equal(status() & 0x61, STATUS.OUTPUT_FULL | STATUS.AUX | STATUS.TIMEOUT);
  assert.equal(get(), 0xfe);
  command(CMD.SELF_TEST);
  assert.equal(status() & (STATUS.AUX | STATUS.TIMEOUT), 0);
});

Deno.test("I8042 answers a controller command before keyboard bytes that wait", () => {
  const { kbc, command, drain } = rig();
  kbc.keys([0x1c, 0x32]);
  command(CMD.SELF_TEST);
  assert.deepEqual(drain(), [0x1e, 0x55, 0x30]);
});

Deno.test("I8042 holds keys back while the keyboard is disabled [PS2]", () => {
  const { kbc, command, status, drain } = rig();
  command(CMD.DISABLE_KBD);
  kbc.keys([0x1c]);
  assert.equal(status() & STATUS.OUTPUT_FULL, 0);
  command(CMD.ENABLE_KBD);
  assert.deepEqual(drain(), [0x1e]);
});

Deno.test("I8042 switches the keyboard on when a byte is sent to it [PS2]", () => {
  const { command, put, drain } = rig();
  command(CMD.DISABLE_KBD);
  put(0xee);
  assert.deepEqual(drain(), [0xee]);
});

Deno.test("I8042 translates pressed and released keys to set 1 [PCAT]", () => {
  const { kbc, drain } = rig();
  kbc.keys([0x1c, 0xf0, 0x1c]);
  assert.deepEqual(drain(), [0x1e, 0x9e]);
  kbc.keys([0xe0, 0x75, 0xe0, 0xf0, 0x75]);
  assert.deepEqual(drain(), [0xe0, 0x48, 0xe0, 0xc8]);
});

Deno.test("I8042 translation table has the keys where the PC has them [PCAT]", () => {
  const cases = [
    [0x76, 0x01, "Esc"],
    [0x16, 0x02, "1"],
    [0x45, 0x0b, "0"],
    [0x66, 0x0e, "Backspace"],
    [0x0d, 0x0f, "Tab"],
    [0x15, 0x10, "Q"],
    [0x5a, 0x1c, "Enter"],
    [0x14, 0x1d, "Ctrl"],
    [0x12, 0x2a, "left Shift"],
    [0x1a, 0x2c, "Z"],
    [0x59, 0x36, "right Shift"],
    [0x11, 0x38, "Alt"],
    [0x29, 0x39, "Space"],
    [0x58, 0x3a, "Caps Lock"],
    [0x05, 0x3b, "F1"],
    [0x83, 0x41, "F7"],
    [0x09, 0x44, "F10"],
    [0x77, 0x45, "Num Lock"],
    [0x71, 0x53, "Delete"],
    [0x84, 0x54, "SysRq"],
    [0x78, 0x57, "F11"],
    [0x07, 0x58, "F12"],
  ] as const;
  for (const [set2, set1, name] of cases) assert.equal(toSet1(set2), set1, name);
  for (const answer of [0xfa, 0xfe, 0xaa, 0xee, 0xe0, 0xe1]) assert.equal(toSet1(answer), answer);
});

Deno.test("I8042 keyboard says so when its buffer runs over [PS2KBD]", () => {
  const { kbc, command, put, drain } = rig();
  command(CMD.WRITE_RAM);
  put(0x04);
  for (let i = 0; i < 30; i++) kbc.keys([0x1c]);
  const bytes = drain();
  assert.ok(bytes.length <= 17);
  assert.equal(bytes[0], 0x1c);
});

Deno.test("I8042 keyboard sends no keys while scanning is off [PS2KBD]", () => {
  const { kbc, put, drain } = rig();
  put(0xf5);
  drain();
  kbc.keys([0x1c]);
  assert.deepEqual(drain(), []);
});

Deno.test("I8042 opens A20 at power-on and follows its output port [PS2]", () => {
  const { command, put, drain, a20, resets } = rig();
  assert.ok(a20.level);
  command(CMD.WRITE_OUTPORT);
  put(0xdd);
  assert.ok(!a20.level);
  command(CMD.READ_OUTPORT);
  assert.equal(drain()[0]! & 0x03, 0x01);
  command(CMD.ENABLE_A20);
  assert.ok(a20.level);
  command(CMD.DISABLE_A20);
  assert.ok(!a20.level);
  assert.equal(resets(), 0);
});

Deno.test("I8042 resets by pulse FEh and by its output port, and by no other pulse [PS2]", () => {
  const { command, put, resets } = rig();
  command(0xff);
  command(0xfd);
  assert.equal(resets(), 0);
  command(0xfe);
  assert.equal(resets(), 1);
  command(CMD.WRITE_OUTPORT);
  put(0x02);
  assert.equal(resets(), 2);
});

Deno.test("I8042 loads its lines and asks for nothing", () => {
  const first = rig();
  first.put(0xf2);
  const second = rig();
  second.kbc.load(first.kbc.save());
  assert.ok(second.keyboardIrq.level);
  assert.equal(second.resets(), 0);
  assert.deepEqual(second.drain(), [0xfa, 0xab, 0x41]);
});
