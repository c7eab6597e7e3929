import assert from "node:assert/strict";
import type { Window } from "../../hvm/io/device.ts";
import { deviceContract } from "../../hvm/testing/device_contract.ts";
import { RecordedLine } from "../../hvm/testing/rig.ts";
import { Pic8259 } from "./pic8259.ts";
import { ICW1, ICW4, OCW2_COMMAND, OCW3, PIC_REG } from "./pic8259_regs.ts";
import { PIC_STATE } from "./pic8259_state.ts";

/** What a PC's firmware writes: vectors 08h and 70h, cascade on 2, 8086 mode. */
function rig(options: { icw4?: [number, number]; init?: boolean } = {}) {
  const int = new RecordedLine();
  const pic = new Pic8259({ int });
  const [icw4a, icw4b] = options.icw4 ?? [ICW4.UPM, ICW4.UPM];
  const initialize = () => {
    put(pic.primary, PIC_REG.COMMAND, ICW1.INIT | ICW1.IC4);
    for (const value of [0x08, 0x04, icw4a, 0]) put(pic.primary, PIC_REG.DATA, value);
    put(pic.secondary, PIC_REG.COMMAND, ICW1.INIT | ICW1.IC4);
    for (const value of [0x70, 0x02, icw4b, 0]) put(pic.secondary, PIC_REG.DATA, value);
  };
  if (options.init ?? true) initialize();
  const raise = (...irqs: number[]) => irqs.forEach((irq) => pic.line(irq).set(true));
  const lower = (...irqs: number[]) => irqs.forEach((irq) => pic.line(irq).set(false));
  const pulse = (...irqs: number[]) => {
    lower(...irqs);
    raise(...irqs);
  };
  return { pic, int, initialize, raise, lower, pulse, ack: () => pic.acknowledge() };
}

function put(window: Window, offset: number, value: number): void {
  window.write(offset, 1, value);
}

function get(window: Window, offset: number): number {
  return window.read(offset, 1);
}

function ocw2(window: Window, command: number, level = 0): void {
  put(window, PIC_REG.COMMAND, command << 5 | level);
}

function readRegister(window: Window, which: "irr" | "isr"): number {
  put(window, PIC_REG.COMMAND, OCW3.SELECT | OCW3.RR | (which === "isr" ? OCW3.RIS : 0));
  return get(window, PIC_REG.COMMAND);
}

function mask(window: Window, imr: number): void {
  put(window, PIC_REG.DATA, imr);
}

deviceContract("Pic8259", {
  build: () => {
    const { pic } = rig({ init: false });
    return { device: pic, windows: [pic.primary, pic.secondary, pic.elcr] };
  },
  schema: PIC_STATE,
});

Deno.test("Pic8259 gives each input its vector [8259A] ICW2", () => {
  for (let irq = 0; irq < 16; irq++) {
    if (irq === 2) continue;
    const { raise, ack, int, pic } = rig();
    raise(irq);
    assert.equal(int.level, true);
    assert.equal(pic.interrupt, true);
    assert.equal(ack(), irq < 8 ? 0x08 + irq : 0x70 + irq - 8, `IRQ ${irq}`);
    assert.equal(int.level, false);
  }
});

Deno.test("Pic8259 has no input for IRQ 2 or past 15", () => {
  const { pic } = rig();
  for (const irq of [2, -1, 16, 0.5]) assert.throws(() => pic.line(irq), RangeError);
});

Deno.test('Pic8259 serves by fixed priority, the secondary\'s eight in the place of 2 [8259A] "Fully Nested Mode"', () => {
  const { raise, ack, pic } = rig();
  const order = [0, 1, 8, 9, 10, 11, 12, 13, 14, 15, 3, 4, 5, 6, 7];
  raise(...order.toReversed());
  for (const irq of order) {
    assert.equal(ack(), irq < 8 ? 0x08 + irq : 0x68 + irq);
    if (irq >= 8) ocw2(pic.secondary, OCW2_COMMAND.EOI);
    ocw2(pic.primary, OCW2_COMMAND.EOI);
  }
  assert.equal(pic.interrupt, false);
});

Deno.test('Pic8259 holds equal and lower requests while one is in service [8259A] "Fully Nested Mode"', () => {
  const { raise, ack, int, pic, pulse } = rig();
  raise(4);
  assert.equal(ack(), 0x0c);
  raise(5);
  pulse(4);
  assert.equal(int.level, false);
  raise(3);
  assert.equal(int.level, true);
  assert.equal(ack(), 0x0b);
  assert.equal(readRegister(pic.primary, "isr"), 1 << 3 | 1 << 4);
  ocw2(pic.primary, OCW2_COMMAND.EOI);
  assert.equal(readRegister(pic.primary, "isr"), 1 << 4, "the highest in service ends first");
  ocw2(pic.primary, OCW2_COMMAND.EOI);
  assert.equal(ack(), 0x0c);
});

Deno.test('Pic8259 takes an edge once, and only while the input stays high [8259A] "Edge and Level Triggered Modes"', () => {
  const { raise, lower, ack, int, pic } = rig();
  raise(3);
  assert.equal(ack(), 0x0b);
  ocw2(pic.primary, OCW2_COMMAND.EOI);
  assert.equal(int.level, false, "still high makes no second request");
  assert.equal(readRegister(pic.primary, "irr"), 0);
  lower(3);
  raise(3);
  assert.equal(int.level, true);
  lower(3);
  assert.equal(int.level, false, "taken back");
  assert.equal(ack(), 0x0f, "the default level 7");
  assert.equal(readRegister(pic.primary, "isr"), 0, "which is not in service");
});

Deno.test("Pic8259 answers with level 7 when a secondary request is taken back, by input or mask [8259A]", () => {
  const { ack, pic, raise, lower } = rig();
  raise(9);
  lower(9);
  assert.equal(pic.interrupt, false);
  assert.equal(ack(), 0x0f);
  raise(9);
  mask(pic.secondary, 0xff);
  assert.equal(pic.interrupt, false);
  assert.equal(ack(), 0x0f);
  assert.equal(readRegister(pic.primary, "isr") | readRegister(pic.secondary, "isr"), 0);
});

Deno.test('Pic8259 repeats a level request until the input falls [8259A] "Edge and Level Triggered Modes"', () => {
  const { raise, lower, ack, int, pic } = rig();
  put(pic.elcr, 0, 1 << 5);
  put(pic.elcr, 1, 1 << 3);
  raise(5, 11);
  assert.equal(ack(), 0x73);
  assert.equal(int.level, false, "in service");
  ocw2(pic.secondary, OCW2_COMMAND.EOI);
  ocw2(pic.primary, OCW2_COMMAND.EOI);
  assert.equal(int.level, true);
  assert.equal(ack(), 0x73);
  lower(11);
  ocw2(pic.secondary, OCW2_COMMAND.EOI);
  ocw2(pic.primary, OCW2_COMMAND.EOI);
  assert.equal(ack(), 0x0d);
  lower(5);
  ocw2(pic.primary, OCW2_COMMAND.EOI);
  assert.equal(int.level, false);
});

Deno.test("Pic8259 keeps IRQ 0, 1, 2, 8 and 13 edge-triggered [PIIX3] ELCR1, ELCR2", () => {
  const { pic } = rig();
  assert.deepEqual([get(pic.elcr, 0), get(pic.elcr, 1)], [0, 0]);
  put(pic.elcr, 0, 0xff);
  put(pic.elcr, 1, 0xff);
  assert.deepEqual([get(pic.elcr, 0), get(pic.elcr, 1)], [0xf8, 0xde]);
  put(pic.elcr, 0, 0);
  assert.deepEqual([get(pic.elcr, 0), get(pic.elcr, 1)], [0, 0xde]);
});

Deno.test("Pic8259 ICW1 clears masks, edges and modes, and leaves ELCR [8259A] ICW1", () => {
  const { pic, raise, int, initialize } = rig();
  put(pic.elcr, 0, 1 << 6);
  mask(pic.primary, 0x55);
  put(pic.primary, PIC_REG.COMMAND, OCW3.SELECT | OCW3.ESMM | OCW3.SMM | OCW3.RR | OCW3.RIS);
  ocw2(pic.primary, OCW2_COMMAND.SET_PRIORITY, 3);
  raise(1, 6);
  initialize();
  assert.equal(get(pic.primary, PIC_REG.DATA), 0);
  assert.equal(
    get(pic.primary, PIC_REG.COMMAND),
    1 << 6,
    "reads give IRR; the edge is gone, the level is not",
  );
  assert.equal(get(pic.elcr, 0), 1 << 6);
  assert.equal(pic.save().primary.lowest, 7);
  assert.equal(int.level, true);
  assert.equal(pic.acknowledge(), 0x0e);
});

Deno.test("Pic8259 ICW1 unmasks everything [8259A] ICW1", () => {
  const { pic } = rig();
  mask(pic.primary, 0x55);
  put(pic.primary, PIC_REG.COMMAND, ICW1.INIT | ICW1.IC4);
  for (const value of [0x08, 0x04, ICW4.UPM]) put(pic.primary, PIC_REG.DATA, value);
  assert.equal(get(pic.primary, PIC_REG.DATA), 0);
});

Deno.test("Pic8259 waits for as many initialization words as ICW1 says [8259A] figure 6", () => {
  for (const single of [false, true]) {
    for (const ic4 of [false, true]) {
      const { pic, raise, ack, int } = rig();
      put(pic.primary, PIC_REG.COMMAND, ICW1.INIT | (single ? ICW1.SNGL : 0) | (ic4 ? ICW1.IC4 : 0));
      raise(3);
      assert.equal(int.level, false, "nothing is requested while the sequence runs");
      const words = [0x23, ...(single ? [] : [0x04]), ...(ic4 ? [ICW4.UPM] : [])];
      for (const word of words) put(pic.primary, PIC_REG.DATA, word);
      put(pic.primary, PIC_REG.DATA, 0x81);
      assert.equal(get(pic.primary, PIC_REG.DATA), 0x81, "the next word is the mask");
      assert.equal(ack(), 0x20 + 3);
    }
  }
});

Deno.test('Pic8259 masks requests and remembers them [8259A] "Interrupt Masks"', () => {
  const { pic, raise, int, ack } = rig();
  mask(pic.primary, 1 << 4);
  raise(4);
  assert.equal(int.level, false);
  assert.equal(readRegister(pic.primary, "irr"), 1 << 4);
  mask(pic.primary, 0);
  assert.equal(int.level, true);
  assert.equal(ack(), 0x0c);
});

Deno.test('Pic8259 ends a named level [8259A] "End of Interrupt"', () => {
  const { pic, raise, ack } = rig();
  raise(4);
  ack();
  raise(3);
  ack();
  ocw2(pic.primary, OCW2_COMMAND.SPECIFIC_EOI, 4);
  assert.equal(readRegister(pic.primary, "isr"), 1 << 3);
  ocw2(pic.primary, OCW2_COMMAND.NONE, 3);
  assert.equal(readRegister(pic.primary, "isr"), 1 << 3);
  ocw2(pic.primary, OCW2_COMMAND.EOI);
  ocw2(pic.primary, OCW2_COMMAND.EOI);
  assert.equal(readRegister(pic.primary, "isr"), 0);
});

Deno.test('Pic8259 automatic end of interrupt leaves nothing in service [8259A] "Automatic End of Interrupt"', () => {
  const { pic, raise, ack, int } = rig({ icw4: [ICW4.UPM | ICW4.AEOI, ICW4.UPM | ICW4.AEOI] });
  raise(4, 9, 10);
  assert.equal(ack(), 0x71);
  assert.equal(int.level, true, "the next request of the secondary comes through");
  assert.equal(ack(), 0x72);
  assert.equal(ack(), 0x0c);
  assert.equal(readRegister(pic.primary, "isr"), 0);
  assert.equal(int.level, false);
});

Deno.test('Pic8259 rotates on non-specific EOI [8259A] "Automatic Rotation"', () => {
  const { pic, raise, ack } = rig();
  raise(4, 6);
  assert.equal(ack(), 0x0c);
  ocw2(pic.primary, OCW2_COMMAND.ROTATE_ON_EOI);
  assert.equal(pic.save().primary.lowest, 4);
  raise(0, 5);
  assert.equal(ack(), 0x0d, "5 comes first now, then 6, 7, 0");
  ocw2(pic.primary, OCW2_COMMAND.EOI);
  assert.equal(ack(), 0x0e);
  ocw2(pic.primary, OCW2_COMMAND.EOI);
  assert.equal(ack(), 0x08);
  ocw2(pic.primary, OCW2_COMMAND.ROTATE_ON_EOI);
  assert.equal(pic.save().primary.lowest, 0);
  ocw2(pic.primary, OCW2_COMMAND.ROTATE_ON_EOI);
  assert.equal(pic.save().primary.lowest, 0, "nothing in service, nothing rotates");
});

Deno.test('Pic8259 sets priority by command, with and without EOI [8259A] "Specific Rotation"', () => {
  for (let lowest = 0; lowest < 8; lowest++) {
    const { pic, raise, ack } = rig();
    mask(pic.primary, 1 << 2);
    ocw2(pic.primary, OCW2_COMMAND.SET_PRIORITY, lowest);
    raise(0, 1, 3, 4, 5, 6, 7);
    for (let i = 1; i <= 8; i++) {
      const level = (lowest + i) % 8;
      if (level === 2) continue;
      assert.equal(ack(), 0x08 + level);
      ocw2(pic.primary, OCW2_COMMAND.EOI);
    }
  }
  const { pic, raise, ack } = rig();
  raise(5);
  ack();
  ocw2(pic.primary, OCW2_COMMAND.ROTATE_ON_SPECIFIC_EOI, 5);
  assert.equal(readRegister(pic.primary, "isr"), 0);
  assert.equal(pic.save().primary.lowest, 5);
});

Deno.test('Pic8259 rotates in automatic EOI mode when told [8259A] "Automatic Rotation"', () => {
  const { pic, raise, ack, pulse } = rig({ icw4: [ICW4.UPM | ICW4.AEOI, ICW4.UPM] });
  raise(3, 4);
  ocw2(pic.primary, OCW2_COMMAND.ROTATE_IN_AEOI_SET);
  assert.equal(ack(), 0x0b);
  pulse(3);
  assert.equal(ack(), 0x0c);
  assert.equal(ack(), 0x0b);
  ocw2(pic.primary, OCW2_COMMAND.ROTATE_IN_AEOI_CLEAR);
  pulse(3, 4);
  assert.equal(ack(), 0x0c, "4 is above 3 since 3 was served last");
  pulse(4);
  assert.equal(ack(), 0x0c, "and stays there");
});

Deno.test('Pic8259 special mask mode lets lower requests in [8259A] "Special Mask Mode"', () => {
  const { pic, raise, ack, int } = rig();
  raise(3);
  ack();
  raise(5);
  mask(pic.primary, 1 << 3);
  assert.equal(int.level, false);
  put(pic.primary, PIC_REG.COMMAND, OCW3.SELECT | OCW3.ESMM | OCW3.SMM);
  assert.equal(int.level, true);
  assert.equal(ack(), 0x0d);
  ocw2(pic.primary, OCW2_COMMAND.EOI);
  assert.equal(readRegister(pic.primary, "isr"), 1 << 3, "a masked level is not ended by non-specific EOI");
  ocw2(pic.primary, OCW2_COMMAND.EOI);
  assert.equal(readRegister(pic.primary, "isr"), 1 << 3);
  put(pic.primary, PIC_REG.COMMAND, OCW3.SELECT | OCW3.SMM);
  assert.equal(pic.save().primary.specialMask, true, "ESMM clear: SMM does not count");
  put(pic.primary, PIC_REG.COMMAND, OCW3.SELECT | OCW3.ESMM);
  ocw2(pic.primary, OCW2_COMMAND.EOI);
  assert.equal(readRegister(pic.primary, "isr"), 0);
});

Deno.test('Pic8259 lets the cascade interrupt itself in special fully nested mode only [8259A] "Special Fully Nested"', () => {
  for (const special of [false, true]) {
    const { raise, ack, int } = rig({ icw4: [ICW4.UPM | (special ? ICW4.SFNM : 0), ICW4.UPM] });
    raise(12);
    assert.equal(ack(), 0x74);
    raise(3);
    assert.equal(int.level, false, "lower than the cascade");
    raise(8);
    assert.equal(int.level, special);
    if (special) assert.equal(ack(), 0x70);
  }
});

Deno.test('Pic8259 keeps a higher secondary request until the cascade is free [8259A] "Cascade Mode"', () => {
  const { raise, ack, int, pic } = rig();
  raise(12);
  ack();
  raise(8);
  ocw2(pic.secondary, OCW2_COMMAND.EOI);
  assert.equal(int.level, false);
  ocw2(pic.primary, OCW2_COMMAND.EOI);
  assert.equal(int.level, true);
  assert.equal(ack(), 0x70);
});

Deno.test('Pic8259 poll takes a request into service and names it [8259A] "Poll Command"', () => {
  const { raise, int, pic } = rig();
  const poll = (window: Window) => {
    put(window, PIC_REG.COMMAND, OCW3.SELECT | OCW3.POLL);
    return get(window, PIC_REG.COMMAND);
  };
  assert.equal(poll(pic.primary), 0);
  raise(5);
  assert.equal(poll(pic.primary), 0x85);
  assert.equal(int.level, false);
  assert.equal(readRegister(pic.primary, "isr"), 1 << 5);
  ocw2(pic.primary, OCW2_COMMAND.EOI);
  raise(10, 11);
  assert.equal(poll(pic.primary), 0x82);
  assert.equal(poll(pic.secondary), 0x82);
  assert.equal(readRegister(pic.secondary, "isr"), 1 << 2);
  assert.equal(readRegister(pic.secondary, "irr"), 1 << 3);
});

Deno.test('Pic8259 reads IMR at A0 = 1 whatever OCW3 says [8259A] "Reading the 8259A Status"', () => {
  const { pic } = rig();
  mask(pic.primary, 0x5a);
  readRegister(pic.primary, "isr");
  assert.equal(get(pic.primary, PIC_REG.DATA), 0x5a);
});

Deno.test('Pic8259 floats the bus when no chip has the cascade\'s identity [8259A] "Cascade Mode"', () => {
  const { pic, raise, ack } = rig();
  put(pic.secondary, PIC_REG.COMMAND, ICW1.INIT | ICW1.IC4);
  for (const value of [0x70, 0x05, ICW4.UPM, 0]) put(pic.secondary, PIC_REG.DATA, value);
  raise(9);
  assert.equal(ack(), 0xff);
});

Deno.test("Pic8259 loads without an edge, on its inputs and on INT", () => {
  const first = rig();
  first.raise(3, 9);
  first.ack();
  const second = rig();
  second.pic.load(first.pic.save());
  assert.equal(second.int.level, first.int.level);
  second.raise(3, 9);
  assert.deepEqual(second.pic.save(), first.pic.save(), "inputs driven again are no new edges");
});

Deno.test("Pic8259 gives INT a falling edge with each acknowledge", () => {
  const { raise, ack, int } = rig({ icw4: [ICW4.UPM | ICW4.AEOI, ICW4.UPM] });
  raise(3, 4);
  const before = int.rises;
  ack();
  assert.equal(int.rises, before + 1);
});
