import assert from "node:assert/strict";
import fc from "fast-check";
import { deviceContract } from "../../hvm/testing/device_contract.ts";
import { FakeClock, RecordedLine } from "../../hvm/testing/rig.ts";
import { FCR, IER, IIR, LCR, LSR, MCR, MSR, Uart16550, UART_REG as REG } from "./uart16550.ts";
import { UART_STATE } from "./uart16550_state.ts";

function rig(options: { holdInput?: boolean; returned?: (bytes: readonly number[]) => void } = {}) {
  const clock = new FakeClock();
  const irq = new RecordedLine();
  const sent: number[] = [];
  let readyCalls = 0;
  let onReady = () => {};
  const uart = new Uart16550({
    id: "com1",
    clock,
    irq,
    output: (byte) => sent.push(byte),
    ready: () => {
      readyCalls++;
      onReady();
    },
    ...options,
  });
  return {
    uart,
    clock,
    irq,
    sent,
    put: (register: number, value: number) => uart.window.write(register, 1, value),
    get: (register: number) => uart.window.read(register, 1),
    readyCalls: () => readyCalls,
    whenReady: (run: () => void) => onReady = run,
  };
}

/** Divisor 1, 8N1, FIFOs on with the trigger of `level` (FCR bits 7:6), OUT2 open. */
function opened(level = 0) {
  const r = rig();
  r.put(REG.LCR, LCR.DLAB | 3);
  r.put(REG.DLL, 1);
  r.put(REG.DLM, 0);
  r.put(REG.LCR, 3);
  r.put(REG.FCR, FCR.ENABLE | FCR.CLEAR_RECEIVED | FCR.CLEAR_SENT | level << 6);
  r.put(REG.MCR, MCR.OUT2);
  r.get(REG.MSR);
  return r;
}

const text = (s: string) => new TextEncoder().encode(s);
/** Ten bits at 115200 a second, in nanoseconds, rounded up. */
const CHARACTER_NS = 86_806;

deviceContract("Uart16550", {
  build: () => {
    const { uart, clock } = rig();
    return { device: uart, windows: [uart.window], advance: (ns) => clock.advance(ns) };
  },
  schema: UART_STATE,
});

Deno.test("Uart16550 registers after master reset [16550D] reset configuration", () => {
  const { get } = rig();
  assert.equal(get(REG.IER), 0x00);
  assert.equal(get(REG.IIR), 0x01);
  assert.equal(get(REG.LCR), 0x00);
  assert.equal(get(REG.MCR), 0x00);
  assert.equal(get(REG.LSR), 0x60);
  assert.equal(get(REG.MSR) & 0x0f, 0);
});

Deno.test("Uart16550 keeps writable bits only [16550D] summary of registers", () => {
  const { put, get } = rig();
  put(REG.IER, 0xff);
  assert.equal(get(REG.IER), 0x0f);
  put(REG.MCR, 0xff);
  assert.equal(get(REG.MCR), 0x1f);
  for (const value of [0x00, 0x55, 0xaa, 0xff]) {
    put(REG.SCR, value);
    assert.equal(get(REG.SCR), value);
  }
});

Deno.test("Uart16550 reaches the divisor behind DLAB [16550D] divisor latch", () => {
  const { put, get, sent } = rig();
  put(REG.IER, 0x05);
  put(REG.LCR, LCR.DLAB);
  put(REG.DLL, 0x34);
  put(REG.DLM, 0x12);
  assert.deepEqual([get(REG.DLL), get(REG.DLM)], [0x34, 0x12]);
  put(REG.LCR, 0);
  assert.equal(get(REG.IER), 0x05);
  assert.deepEqual(sent, []);
});

Deno.test("Uart16550 sends bytes in order and is empty again at once", () => {
  const { put, get, sent } = rig();
  for (const byte of text("hello")) {
    put(REG.THR, byte);
    assert.equal(get(REG.LSR), LSR.THRE | LSR.TEMT);
  }
  assert.deepEqual(sent, [...text("hello")]);
});

Deno.test("Uart16550 passes the probe of Linux 8250: IER, FIFOs, loopback, scratch", () => {
  const { put, get, irq } = rig();
  put(REG.IER, 0x00);
  assert.equal(get(REG.IER) & 0x0f, 0x00);
  put(REG.IER, 0x0f);
  assert.equal(get(REG.IER) & 0x0f, 0x0f);
  put(REG.IER, 0x00);
  put(REG.MCR, MCR.LOOP | 0x0a);
  assert.equal(get(REG.MSR) & 0xf0, 0x90);
  put(REG.MCR, MCR.LOOP | 0x09);
  assert.equal(get(REG.MSR) & 0xf0, 0xa0);
  put(REG.MCR, 0);
  put(REG.FCR, FCR.ENABLE);
  assert.equal(get(REG.IIR) >> 6, 3, "a 16550A says 11 in bits 7:6");
  put(REG.FCR, FCR.ENABLE | 1 << 5);
  assert.equal(get(REG.IIR) & 1 << 5, 0, "no 64-byte FIFO");
  put(REG.LCR, 0xbf);
  assert.notEqual(get(REG.IIR), 0, "no EFR as a 16650 has");
  put(REG.LCR, 0);
  put(REG.FCR, 0);
  assert.equal(get(REG.IIR) >> 6, 0);
  assert.equal(irq.rises, 0);
});

Deno.test("Uart16550 passes the FIFO size probe of Linux 8250: 16 of 256 come back in loopback", () => {
  const { put, get } = opened();
  put(REG.MCR, MCR.LOOP);
  for (let i = 0; i < 256; i++) put(REG.THR, i);
  const back: number[] = [];
  while ((get(REG.LSR) & LSR.DR) !== 0 && back.length < 256) back.push(get(REG.RBR));
  assert.deepEqual(back, Array.from({ length: 16 }, (_, i) => i));
});

Deno.test("Uart16550 passes the THRE and TXEN bug checks of Linux 8250", () => {
  const { put, get } = opened();
  put(REG.IER, IER.ETBEI);
  assert.equal(get(REG.IIR), IIR.EMPTY | IIR.FIFOS);
  put(REG.IER, 0);
  put(REG.IER, IER.ETBEI);
  assert.equal(get(REG.IIR), IIR.EMPTY | IIR.FIFOS, "due again after disable and enable");
  put(REG.IER, 0);
  assert.equal(get(REG.IIR), IIR.NONE | IIR.FIFOS);
});

Deno.test("Uart16550 takes the transmitter interrupt back when IIR reports it, and only then [16550D] IIR", () => {
  const { put, get, irq, uart } = opened();
  put(REG.IER, IER.ETBEI | IER.ERBFI);
  assert.ok(irq.level);
  uart.receive(text("x"));
  assert.equal(get(REG.IIR), IIR.RECEIVED | IIR.FIFOS);
  get(REG.RBR);
  assert.ok(irq.level, "the transmitter's is still due");
  assert.equal(get(REG.IIR), IIR.EMPTY | IIR.FIFOS);
  assert.ok(!irq.level);
  assert.equal(get(REG.IIR), IIR.NONE | IIR.FIFOS);
  put(REG.THR, 0x41);
  assert.ok(irq.level, "due again after a byte went out");
});

Deno.test("Uart16550 ranks its interrupts [16550D] interrupt control functions", () => {
  const { put, get, uart } = opened();
  put(REG.IER, 0x0f);
  uart.setModemInputs(MSR.CTS);
  uart.receiveBreak();
  assert.equal(get(REG.IIR) & 0x3f, IIR.LINE_STATUS);
  get(REG.LSR);
  assert.equal(get(REG.IIR) & 0x3f, IIR.RECEIVED);
  get(REG.RBR);
  assert.equal(get(REG.IIR) & 0x3f, IIR.EMPTY);
  assert.equal(get(REG.IIR) & 0x3f, IIR.MODEM_STATUS);
  get(REG.MSR);
  assert.equal(get(REG.IIR) & 0x3f, IIR.NONE);
});

Deno.test("Uart16550 gates its interrupt with OUT2 [PCAT], and closes it in loopback", () => {
  const { put, irq, uart } = rig();
  put(REG.IER, IER.ERBFI);
  uart.receive([1]);
  assert.ok(!irq.level);
  put(REG.MCR, MCR.OUT2);
  assert.ok(irq.level);
  put(REG.MCR, MCR.OUT2 | MCR.LOOP);
  assert.ok(!irq.level);
  put(REG.MCR, MCR.OUT2);
  assert.ok(irq.level);
});

for (const [code, level] of [[0, 1], [1, 4], [2, 8], [3, 14]] as const) {
  Deno.test(`Uart16550 interrupts at ${level} received for trigger ${code} [16550D] FCR`, () => {
    const { put, get, irq, uart } = opened(code);
    put(REG.IER, IER.ERBFI);
    uart.receive(new Uint8Array(level - 1));
    assert.ok(!irq.level);
    uart.receive([0]);
    assert.ok(irq.level);
    assert.equal(get(REG.IIR) & 0x3f, IIR.RECEIVED);
    get(REG.RBR);
    assert.ok(!irq.level, "below the level it goes away");
  });
}

Deno.test("Uart16550 character time-out strikes after four characters of silence [16550D] FIFO interrupt mode", () => {
  const { put, get, irq, clock, uart } = opened(2);
  put(REG.IER, IER.ERBFI);
  uart.receive(text("ab"));
  clock.advance(4 * CHARACTER_NS - 5);
  assert.ok(!irq.level);
  clock.advance(5);
  assert.ok(irq.level);
  assert.equal(get(REG.IIR) & 0x3f, IIR.TIMEOUT);
  assert.equal(get(REG.RBR), 0x61);
  assert.ok(!irq.level, "reading a character takes it back");
  clock.advance(4 * CHARACTER_NS);
  assert.ok(irq.level, "and the time counts anew for the one left");
  get(REG.RBR);
  clock.advance(10 * CHARACTER_NS);
  assert.ok(!irq.level);
});

Deno.test("Uart16550 character time-out counts from the latest arrival", () => {
  const { put, irq, clock, uart } = opened(2);
  put(REG.IER, IER.ERBFI);
  uart.receive([1]);
  clock.advance(3 * CHARACTER_NS);
  uart.receive([2]);
  clock.advance(3 * CHARACTER_NS);
  assert.ok(!irq.level);
  clock.advance(CHARACTER_NS);
  assert.ok(irq.level);
});

const FORMATS: [lcr: number, divisor: number, bits: number][] = [
  [0x03, 1, 10],
  [0x00, 1, 7],
  [0x04, 1, 7.5],
  [0x07, 1, 11],
  [0x1f, 12, 12],
  [0x03, 0xffff, 10],
  [0x03, 0, 10],
];
for (const [lcr, divisor, length] of FORMATS) {
  Deno.test(`Uart16550 times a character of LCR ${lcr.toString(16)}, divisor ${divisor}`, () => {
    const { put, clock, uart } = opened(3);
    put(REG.LCR, LCR.DLAB);
    put(REG.DLL, divisor & 0xff);
    put(REG.DLM, divisor >> 8);
    put(REG.LCR, lcr);
    uart.receive([0]);
    const expected = 4 * length * Math.max(1, divisor) / 115_200 * 1e9;
    assert.ok(Math.abs(clock.deadline() - expected) < 5, `${clock.deadline()} ns`);
  });
}

Deno.test("Uart16550 without FIFOs holds one character and has no time-out [16550D] FCR", () => {
  const { get, clock, uart } = rig();
  assert.equal(uart.receive(text("abc")), 1);
  assert.equal(clock.deadline(), Infinity);
  assert.equal(get(REG.RBR), 0x61);
  assert.equal(get(REG.LSR) & LSR.DR, 0);
  assert.equal(get(REG.RBR), 0x61, "the buffer keeps the last character");
});

Deno.test("Uart16550 loses the newest with FIFOs and the oldest without on overrun [16550D] LSR", () => {
  const fifo = opened();
  fifo.put(REG.MCR, MCR.LOOP);
  for (let i = 1; i <= 17; i++) fifo.put(REG.THR, i);
  assert.equal(fifo.get(REG.LSR) & LSR.OE, LSR.OE);
  assert.equal(fifo.get(REG.LSR) & LSR.OE, 0, "reading clears it");
  const read = Array.from({ length: 16 }, () => fifo.get(REG.RBR));
  assert.deepEqual(read, Array.from({ length: 16 }, (_, i) => i + 1));

  const plain = rig();
  plain.put(REG.LCR, 3);
  plain.put(REG.MCR, MCR.LOOP);
  plain.put(REG.THR, 1);
  plain.put(REG.THR, 2);
  assert.equal(plain.get(REG.LSR) & (LSR.OE | LSR.DR), LSR.OE | LSR.DR);
  assert.equal(plain.get(REG.RBR), 2);
});

Deno.test("Uart16550 loops back as many bits as a word has", () => {
  const { put, get, sent } = rig();
  put(REG.MCR, MCR.LOOP);
  for (const [wls, expected] of [[0, 0x1f], [1, 0x3f], [2, 0x7f], [3, 0xff]] as const) {
    put(REG.LCR, wls);
    put(REG.THR, 0xff);
    assert.equal(get(REG.RBR), expected);
  }
  assert.deepEqual(sent, [], "nothing leaves in loopback");
});

Deno.test("Uart16550 shows a break in LSR when it is the next to be read [16550D] LSR", () => {
  const { put, get, irq, uart } = opened();
  put(REG.IER, IER.ELSI);
  uart.receive([0x41]);
  uart.receiveBreak();
  uart.receive([0x42]);
  assert.ok(!irq.level);
  assert.equal(get(REG.LSR) & (LSR.BI | LSR.FIFO_ERROR), LSR.FIFO_ERROR);
  get(REG.RBR);
  assert.ok(irq.level);
  assert.equal(get(REG.LSR) & (LSR.BI | LSR.FIFO_ERROR), LSR.BI | LSR.FIFO_ERROR);
  assert.ok(!irq.level);
  assert.equal(get(REG.LSR) & (LSR.BI | LSR.FIFO_ERROR), 0);
  assert.equal(get(REG.RBR), 0);
  assert.equal(get(REG.RBR), 0x42);
});

Deno.test("Uart16550 notes changes of the modem pins; of RI only its end [16550D] MSR", () => {
  const { get, uart } = rig();
  uart.setModemInputs(0);
  assert.equal(get(REG.MSR), MSR.DCTS | MSR.DDSR | MSR.DDCD);
  assert.equal(get(REG.MSR), 0);
  uart.setModemInputs(MSR.RI);
  assert.equal(get(REG.MSR), MSR.RI);
  uart.setModemInputs(0);
  assert.equal(get(REG.MSR), MSR.TERI);
});

Deno.test("Uart16550 wires the modem outputs to the inputs in loopback [16550D] MCR", () => {
  const { put, get } = rig();
  const cases = [[MCR.DTR, MSR.DSR], [MCR.RTS, MSR.CTS], [MCR.OUT1, MSR.RI], [MCR.OUT2, MSR.DCD]] as const;
  for (const [output, input] of cases) {
    put(REG.MCR, MCR.LOOP | output);
    assert.equal(get(REG.MSR) & 0xf0, input);
  }
  put(REG.MCR, MCR.LOOP);
  put(REG.MCR, MCR.LOOP);
  get(REG.MSR);
  put(REG.MCR, MCR.LOOP | MCR.RTS);
  assert.equal(get(REG.MSR), MSR.CTS | MSR.DCTS);
});

Deno.test("Uart16550 empties its FIFOs when FCR says so or they are switched [16550D] FCR", () => {
  const { put, get, uart } = opened();
  uart.receive(text("abc"));
  put(REG.FCR, FCR.CLEAR_RECEIVED);
  assert.equal(get(REG.LSR) & LSR.DR, 0, "switched off");
  put(REG.FCR, FCR.ENABLE);
  uart.receive(text("abc"));
  put(REG.FCR, FCR.ENABLE);
  assert.equal(uart.waiting, 3, "writing the same keeps the content");
  put(REG.LCR, 0x02);
  assert.equal(uart.waiting, 3, "bit 1 of LCR has nothing to do with it");
  put(REG.FCR, FCR.ENABLE | FCR.CLEAR_SENT);
  assert.equal(uart.waiting, 3);
  put(REG.FCR, FCR.ENABLE | FCR.CLEAR_RECEIVED);
  assert.equal(uart.waiting, 0);
  put(REG.FCR, 0xc8);
  assert.equal(uart.save().fcr, 0, "the other bits count only with bit 0");
});

Deno.test("Uart16550 takes what has room and asks for the rest when drained", () => {
  const { get, uart, readyCalls, whenReady } = opened();
  const input = Array.from({ length: 40 }, (_, i) => i);
  let at = uart.receive(input);
  assert.equal(at, 16);
  whenReady(() => at += uart.receive(input.slice(at)));
  const read: number[] = [];
  while ((get(REG.LSR) & LSR.DR) !== 0) read.push(get(REG.RBR));
  assert.deepEqual(read, input);
  assert.equal(readyCalls(), 2);
});

Deno.test("Uart16550 takes no input in loopback and asks for it afterwards", () => {
  const { put, get, uart, readyCalls, whenReady } = opened();
  put(REG.MCR, MCR.LOOP);
  assert.equal(uart.receive([7]), 0);
  whenReady(() => uart.receive([7]));
  put(REG.MCR, MCR.OUT2);
  assert.equal(readyCalls(), 1);
  assert.equal(get(REG.RBR), 7);
});

Deno.test("Uart16550 loads its line and its time-out without asking for input", () => {
  const first = opened(2);
  first.put(REG.IER, IER.ERBFI);
  first.uart.receive(text("ab"));
  const second = rig();
  second.uart.load(first.uart.save());
  assert.equal(second.readyCalls(), 0);
  assert.ok(!second.irq.level);
  second.clock.advance(4 * CHARACTER_NS);
  assert.ok(second.irq.level);
});

Deno.test("Uart16550 state schema refuses what cannot be", () => {
  const state = opened().uart.save();
  assert.ok(UART_STATE.safeParse(state).success);
  const wrong = [{ received: new Array(17).fill(0) }, { fcr: 0, received: [1, 2] }, { ier: 0x10 }, {
    errors: 1,
  }];
  for (const change of wrong) assert.ok(!UART_STATE.safeParse({ ...state, ...change }).success);
});

Deno.test("Uart16550 delivers every received byte once and in order, however the guest reads", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.array(fc.nat(20)),
      fc.boolean(),
      (input, reads, fifos) => {
        const { put, get, uart, whenReady } = rig();
        put(REG.FCR, fifos ? FCR.ENABLE : 0);
        let at = 0;
        const offer = () => at += uart.receive(input.subarray(at));
        whenReady(offer);
        offer();
        const got: number[] = [];
        const drain = (limit: number) => {
          for (let i = 0; i < limit && (get(REG.LSR) & LSR.DR) !== 0; i++) got.push(get(REG.RBR));
        };
        for (const count of reads) drain(count);
        drain(Infinity);
        assert.deepEqual(got, [...input]);
      },
    ),
  );
});

Deno.test("Uart16550 that holds input offers it when the interrupt is enabled and connected", () => {
  const { uart, put, readyCalls } = rig({ holdInput: true });
  assert.equal(uart.receive([1, 2]), 0);
  put(REG.IER, IER.ERBFI); // as drivers do to see whether the register is there
  put(REG.IER, 0);
  put(REG.MCR, MCR.OUT2);
  assert.equal(readyCalls(), 0);
  put(REG.IER, IER.ERBFI);
  assert.equal(readyCalls(), 1);
  assert.equal(uart.receive([1, 2]), 1);
});

Deno.test("Uart16550 that holds input offers it to a guest that polls, not to one that waits to send", () => {
  const { uart, put, get, readyCalls } = rig({ holdInput: true });
  uart.receive([1]);
  for (let i = 0; i < 20; i++) {
    get(REG.LSR);
    put(REG.THR, 0x41);
  }
  assert.equal(readyCalls(), 0);
  for (let i = 0; i < 20; i++) get(REG.LSR);
  assert.equal(readyCalls(), 1);
  assert.equal(uart.receive([1]), 1);
});

Deno.test("Uart16550 gives back what the guest cleared before it could see it, and only that", () => {
  const returned: number[][] = [];
  const { uart, put, get, readyCalls } = rig({ returned: (bytes) => returned.push([...bytes]) });
  uart.receive([1]);
  put(REG.FCR, FCR.ENABLE); // changing the mode empties both FIFOs
  assert.deepEqual(returned, [[1]]);
  assert.equal(readyCalls(), 1);
  uart.receive([2, 3]);
  assert.equal(get(REG.RBR), 2);
  uart.receive([4]);
  put(REG.FCR, FCR.ENABLE | FCR.CLEAR_RECEIVED);
  assert.deepEqual(returned, [[1], [4]]);
  uart.receive([5]);
  get(REG.LSR);
  put(REG.FCR, FCR.ENABLE | FCR.CLEAR_RECEIVED);
  assert.deepEqual(returned, [[1], [4]]);
});
