import assert from "node:assert/strict";
import fc from "fast-check";
import type { Clock } from "../../hvm/base/clock.ts";
import { type LineLog, runLockstep } from "../../hvm/testing/lockstep.ts";
import { MovingClock, RecordedLine } from "../../hvm/testing/rig.ts";
import { lateSteps } from "../late_steps_rig.ts";
import { FCR, IER, IIR, LCR, MCR, Uart16550, UART_REG } from "./uart16550.ts";

/** Four characters of 8N1 at divisor 1, rounded up: what a time-out takes. */
const TIMEOUT_NS = 4 * 86_806;

/** Everything the character time-out depends on. */
function subject(clock: Clock, log: LineLog) {
  const uart = new Uart16550({ id: "com", clock, irq: log.line("irq"), output: () => {} });
  const put = (reg: number, value: number) => uart.window.write(reg, 1, value);
  put(UART_REG.FCR, FCR.ENABLE | FCR.TRIGGER);
  put(UART_REG.MCR, MCR.OUT2);
  put(UART_REG.IER, IER.ERBFI);
  const access = (word: number): unknown => {
    const argument = word >>> 8;
    switch (word % 12) {
      case 0:
        return put(UART_REG.FCR, FCR.ENABLE | argument & 0xc2 | ((argument & 0x30) === 0 ? 1 : 0));
      case 1:
        return put(UART_REG.FCR, (argument & 3) === 0 ? 0 : FCR.ENABLE);
      case 2:
        return put(UART_REG.IER, argument & 0x0f);
      case 3:
        return put(UART_REG.LCR, argument & 0x3f);
      case 4:
        return put(UART_REG.MCR, (argument & 0x70) === 0 ? MCR.OUT2 | MCR.LOOP : MCR.OUT2);
      case 5:
        return put(UART_REG.THR, argument & 0xff);
      case 6:
        return uart.window.read(UART_REG.RBR, 1);
      case 7:
        return uart.window.read(argument & 7, 1);
      case 8:
        return uart.receiveBreak();
      default:
        return uart.receive([argument & 0xff, argument >>> 8 & 0xff].slice(argument & 1));
    }
  };
  return { device: uart, access };
}

Deno.test("Uart16550 loses and doubles no character time-out on a late host", () => {
  fc.assert(fc.property(lateSteps(), ({ tickNs, steps }) => {
    runLockstep({ build: subject, longestNs: 1_000_000 }, tickNs, steps);
  }));
});

function rig(clock: MovingClock) {
  const irq = new RecordedLine();
  const uart = new Uart16550({ id: "com", clock, irq, output: () => {} });
  const put = (reg: number, value: number) => uart.window.write(reg, 1, value);
  put(UART_REG.LCR, LCR.WLS);
  put(UART_REG.FCR, FCR.ENABLE | FCR.TRIGGER);
  put(UART_REG.MCR, MCR.OUT2);
  put(UART_REG.IER, IER.ERBFI);
  return { uart, irq, put, iir: () => uart.window.read(UART_REG.IIR, 1) & 0x0f };
}

Deno.test("Uart16550 time-out that is due strikes before the access that would end it", () => {
  for (
    const end of [
      (uart: Uart16550) => uart.window.read(UART_REG.RBR, 1),
      (uart: Uart16550) => uart.window.write(UART_REG.FCR, 1, FCR.ENABLE | FCR.CLEAR_RECEIVED),
    ]
  ) {
    const clock = new MovingClock(0);
    const { uart, irq } = rig(clock);
    uart.receive([0x41]);
    clock.pass(TIMEOUT_NS);
    end(uart);
    assert.deepEqual(irq.changes, [true, false]);
    clock.run();
    assert.equal(irq.rises, 1);
  }
});

Deno.test("Uart16550 time-out that has struck stays until a character is read [16550D] FIFO interrupt mode", () => {
  const clock = new MovingClock(0);
  const { uart, irq, iir } = rig(clock);
  uart.receive([0x41]);
  clock.pass(TIMEOUT_NS);
  assert.equal(iir(), IIR.TIMEOUT, "though its timer has not run");
  uart.receive([0x42]);
  assert.equal(iir(), IIR.TIMEOUT);
  assert.deepEqual(irq.changes, [true]);
  uart.window.read(UART_REG.RBR, 1);
  assert.equal(iir(), IIR.NONE);
});

Deno.test("Uart16550 goes on with its time-out on a clock that shows something else", () => {
  const first = rig(new MovingClock(0, 3_600e9));
  first.uart.receive([0x41]);
  const clock = new MovingClock(0);
  const second = rig(clock);
  second.uart.load(first.uart.save());
  clock.pass(TIMEOUT_NS - 10);
  assert.equal(second.iir(), IIR.NONE);
  clock.pass(10);
  assert.equal(second.iir(), IIR.TIMEOUT);
});
