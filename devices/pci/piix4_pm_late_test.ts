import fc from "fast-check";
import assert from "node:assert/strict";
import type { Clock } from "../../hvm/base/clock.ts";
import type { Line } from "../../hvm/base/line.ts";
import { type LineLog, runLockstep } from "../../hvm/testing/lockstep.ts";
import { MovingClock, RecordedLine } from "../../hvm/testing/rig.ts";
import { lateSteps } from "../late_steps_rig.ts";
import { Piix4Pm, PM_REG, PMCNTRL, PMEN, PMSTS } from "./piix4_pm.ts";

function build(clock: Clock, sci: Line): Piix4Pm {
  return new Piix4Pm({ id: "pm", clock, sci, powerOff: () => {}, place: () => {} });
}

/** What the timer's overflow is enabled, shown and taken back by. */
function subject(clock: Clock, log: LineLog) {
  const pm = build(clock, log.line("sci"));
  const access = (word: number): unknown => {
    const argument = word >>> 8;
    switch (word % 8) {
      case 0:
        return pm.block.write(PM_REG.PMEN, 2, (argument & 3) === 0 ? 0 : PMEN.TIMER);
      case 1:
        return pm.block.write(PM_REG.PMCNTRL, 2, (argument & 3) === 0 ? 0 : PMCNTRL.SCI_EN);
      case 2:
        return pm.block.write(PM_REG.PMSTS, 2, PMSTS.TIMER);
      case 3:
        return pm.smiPorts.write(0, 1, argument & 1 ? 0xf1 : 0xf0);
      case 4:
        return pm.block.read(PM_REG.PMTMR, 4);
      case 5:
        return pm.block.write(PM_REG.GPEN, 4, argument);
      default:
        return pm.block.read(PM_REG.PMSTS, 4);
    }
  };
  return { device: pm, access };
}

Deno.test("Piix4Pm loses and doubles no overflow of its timer on a late host [ACPI] 4.8.2.1", () => {
  for (const longestNs of [1_000_000_000, 3_000_000_000]) {
    fc.assert(fc.property(lateSteps(), ({ tickNs, steps }) => {
      runLockstep({ build: subject, longestNs }, tickNs, steps);
    }));
  }
});

Deno.test("Piix4Pm raises the SCI for an overflow that is due when its status is cleared or disabled", () => {
  for (
    const change of [
      (pm: Piix4Pm) => pm.block.write(PM_REG.PMSTS, 2, PMSTS.TIMER),
      (pm: Piix4Pm) => pm.block.write(PM_REG.PMEN, 2, 0),
      (pm: Piix4Pm) => pm.smiPorts.write(0, 1, 0xf0),
    ]
  ) {
    const clock = new MovingClock(1000);
    const sci = new RecordedLine();
    const pm = build(clock, sci);
    pm.smiPorts.write(0, 1, 0xf1);
    pm.block.write(PM_REG.PMEN, 2, PMEN.TIMER);
    clock.pass(2_400_000_000);
    change(pm);
    assert.deepEqual(sci.changes, [true, false]);
    clock.run();
    assert.equal(sci.rises, 1);
  }
});
