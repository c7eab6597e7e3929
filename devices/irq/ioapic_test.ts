import assert from "node:assert/strict";
import { DELIVERY, type InterruptMessage } from "../../hvm/io/msi.ts";
import { deviceContract } from "../../hvm/testing/device_contract.ts";
import { IoApic } from "./ioapic.ts";
import { IOAPIC_MMIO, IOAPIC_PINS, IOAPIC_REG, REDIR } from "./ioapic_regs.ts";
import { IOAPIC_STATE } from "./ioapic_state.ts";

function rig(options: { ignorePolarity?: boolean } = {}) {
  const sent: InterruptMessage[] = [];
  const changes: number[] = [];
  const ioapic = new IoApic({
    apicId: 2,
    send: (message) => sent.push(message),
    changed: (pin) => changes.push(pin),
    ...options,
  });
  changes.length = 0;
  const put = (reg: number, value: number) => {
    ioapic.window.write(IOAPIC_MMIO.SELECT, 4, reg);
    ioapic.window.write(IOAPIC_MMIO.WINDOW, 4, value >>> 0);
  };
  const get = (reg: number) => {
    ioapic.window.write(IOAPIC_MMIO.SELECT, 4, reg);
    return ioapic.window.read(IOAPIC_MMIO.WINDOW, 4);
  };
  return {
    ioapic,
    sent,
    changes,
    put,
    get,
    entry: (pin: number, low: number, high = 0) => {
      put(IOAPIC_REG.REDIRECTION + 2 * pin + 1, high);
      put(IOAPIC_REG.REDIRECTION + 2 * pin, low);
    },
    low: (pin: number) => get(IOAPIC_REG.REDIRECTION + 2 * pin),
    raise: (pin: number) => ioapic.line(pin).set(true),
    lower: (pin: number) => ioapic.line(pin).set(false),
    vectors: () => sent.map(({ vector }) => vector),
  };
}

deviceContract("IoApic", {
  build: () => {
    const { ioapic } = rig();
    return { device: ioapic, windows: [ioapic.window] };
  },
  schema: IOAPIC_STATE,
});

Deno.test("IoApic shows its identification, version and arbitration [IOAPIC] 3.2.1 to 3.2.3", () => {
  const { get, put } = rig();
  assert.equal(get(IOAPIC_REG.ID), 0x02000000);
  assert.equal(get(IOAPIC_REG.VERSION), 0x00170020);
  put(IOAPIC_REG.VERSION, 0xffffffff);
  assert.equal(get(IOAPIC_REG.VERSION), 0x00170020);
  put(IOAPIC_REG.ID, 0xffffffff);
  assert.equal(get(IOAPIC_REG.ID), 0x0f000000);
  assert.equal(get(IOAPIC_REG.ARBITRATION), 0x0f000000);
  assert.equal(get(0x03), 0);
  assert.equal(get(0x40), 0);
});

Deno.test("IoApic entries are masked at reset and keep their writable bits [IOAPIC] 3.2.4", () => {
  const { low, put, get } = rig();
  for (let pin = 0; pin < IOAPIC_PINS; pin++) {
    const reg = IOAPIC_REG.REDIRECTION + 2 * pin;
    assert.equal(low(pin), 0x00010000);
    put(reg, 0xffffffff);
    put(reg + 1, 0xffffffff);
    assert.equal(get(reg), 0x0001afff, "delivery status and remote IRR are read only");
    assert.equal(get(reg + 1), 0xff000000);
  }
});

Deno.test("IoApic sends one message for an edge, with all of the entry's fields [IOAPIC] 3.2.4", () => {
  const { entry, raise, lower, sent } = rig();
  entry(4, 0x31 | DELIVERY.LOWEST_PRIORITY << 8 | REDIR.LOGICAL, 0x83000000);
  raise(4);
  assert.deepEqual(sent, [{
    vector: 0x31,
    delivery: DELIVERY.LOWEST_PRIORITY,
    destination: 0x83,
    logical: true,
    level: false,
    asserted: true,
  }]);
  raise(4);
  lower(4);
  assert.equal(sent.length, 1);
  raise(4);
  assert.equal(sent.length, 2);
});

Deno.test("IoApic ignores an edge on a masked pin [IOAPIC] 3.2.4", () => {
  const { entry, raise, lower, sent } = rig();
  entry(4, 0x31 | REDIR.MASKED);
  raise(4);
  entry(4, 0x31);
  assert.equal(sent.length, 0);
  lower(4);
  raise(4);
  assert.equal(sent.length, 1);
});

Deno.test("IoApic sends a level once, and again after EOI while it is asserted [IOAPIC] 3.2.4", () => {
  const { ioapic, entry, raise, lower, vectors, low } = rig();
  entry(10, 0x42 | REDIR.LEVEL);
  raise(10);
  assert.deepEqual(vectors(), [0x42]);
  assert.equal(low(10) & REDIR.REMOTE_IRR, REDIR.REMOTE_IRR);
  lower(10);
  raise(10);
  assert.deepEqual(vectors(), [0x42], "in service");
  ioapic.eoi(0x43);
  assert.deepEqual(vectors(), [0x42], "another vector");
  ioapic.eoi(0x42);
  assert.deepEqual(vectors(), [0x42, 0x42]);
  lower(10);
  ioapic.eoi(0x42);
  assert.deepEqual(vectors(), [0x42, 0x42]);
  assert.equal(low(10) & REDIR.REMOTE_IRR, 0);
});

Deno.test("IoApic sends a level that is asserted when it is unmasked", () => {
  const { entry, raise, vectors } = rig();
  entry(10, 0x42 | REDIR.LEVEL | REDIR.MASKED);
  raise(10);
  assert.deepEqual(vectors(), []);
  entry(10, 0x42 | REDIR.LEVEL);
  assert.deepEqual(vectors(), [0x42]);
});

Deno.test("IoApic EOI register ends the vector's pins, shared ones too [ICH2] 9.5.5", () => {
  const { ioapic, entry, raise, vectors } = rig();
  entry(10, 0x42 | REDIR.LEVEL);
  entry(11, 0x42 | REDIR.LEVEL);
  entry(9, 0x50 | REDIR.LEVEL);
  raise(10);
  raise(11);
  raise(9);
  ioapic.window.write(IOAPIC_MMIO.EOI, 4, 0x42);
  assert.deepEqual(vectors(), [0x42, 0x42, 0x50, 0x42, 0x42]);
});

Deno.test("IoApic forgets remote IRR when an entry turns to edge and keeps it otherwise", () => {
  const { entry, raise, lower, low, vectors } = rig();
  entry(10, 0x42 | REDIR.LEVEL);
  raise(10);
  lower(10);
  entry(10, 0x42 | REDIR.LEVEL | REDIR.MASKED);
  assert.equal(low(10) & REDIR.REMOTE_IRR, REDIR.REMOTE_IRR);
  entry(10, 0x42 | REDIR.MASKED);
  assert.equal(low(10) & REDIR.REMOTE_IRR, 0);
  entry(10, 0x42 | REDIR.LEVEL);
  raise(10);
  assert.deepEqual(vectors(), [0x42, 0x42]);
});

Deno.test("IoApic takes a pin as active low when told, unless lines say what is asserted [IOAPIC] 3.2.4", () => {
  const { entry, raise, lower, vectors } = rig();
  raise(5);
  entry(5, 0x35 | REDIR.ACTIVE_LOW);
  lower(5);
  raise(5);
  assert.deepEqual(vectors(), [0x35], "the falling edge");
  entry(6, 0x36 | REDIR.ACTIVE_LOW | REDIR.LEVEL);
  assert.deepEqual(vectors(), [0x35, 0x36], "low is asserted");

  const logical = rig({ ignorePolarity: true });
  logical.entry(6, 0x36 | REDIR.ACTIVE_LOW | REDIR.LEVEL);
  assert.deepEqual(logical.vectors(), []);
  logical.raise(6);
  assert.deepEqual(logical.vectors(), [0x36]);
});

Deno.test("IoApic sends NMI, SMI, INIT and ExtINT at the edge, reserved modes never [IOAPIC] 3.2.4", () => {
  for (const [mode, goes] of [[2, true], [3, false], [4, true], [5, true], [6, false], [7, true]] as const) {
    const { entry, raise, lower, sent, low } = rig();
    entry(0, 0x20 | mode << 8 | REDIR.LEVEL);
    raise(0);
    lower(0);
    raise(0);
    assert.deepEqual(
      sent.map(({ delivery, level }) => [delivery, level]),
      goes ? [[mode, false], [mode, false]] : [],
    );
    assert.equal(low(0) & REDIR.REMOTE_IRR, 0);
  }
});

Deno.test("IoApic says which entry changed, and all of them on reset and load", () => {
  const { ioapic, entry, changes } = rig();
  entry(7, 0x37 | REDIR.LEVEL | REDIR.ACTIVE_LOW, 0x01000000);
  assert.deepEqual(changes, [7, 7]);
  assert.deepEqual(ioapic.redirection(7), {
    message: {
      vector: 0x37,
      delivery: DELIVERY.FIXED,
      destination: 1,
      logical: false,
      level: true,
      asserted: true,
    },
    masked: false,
    activeLow: true,
    remoteIrr: true,
  });
  const state = ioapic.save();
  changes.length = 0;
  ioapic.load(state);
  assert.equal(changes.length, IOAPIC_PINS);
  ioapic.reset();
  assert.equal(changes.length, 2 * IOAPIC_PINS);
  assert.equal(ioapic.redirection(7).masked, true);
});

Deno.test("IoApic sends nothing when it is loaded", () => {
  const first = rig();
  first.entry(10, 0x42 | REDIR.LEVEL);
  first.entry(4, 0x31);
  first.raise(10);
  first.raise(4);
  const second = rig();
  second.ioapic.load(first.ioapic.save());
  second.raise(10);
  second.raise(4);
  assert.deepEqual(second.vectors(), []);
  second.ioapic.eoi(0x42);
  assert.deepEqual(second.vectors(), [0x42]);
});

Deno.test("IoApic has pins 0 to 23", () => {
  const { ioapic } = rig();
  for (const pin of [-1, 24, 1.5]) {
    assert.throws(() => ioapic.line(pin), RangeError);
    assert.throws(() => ioapic.redirection(pin), RangeError);
  }
});
