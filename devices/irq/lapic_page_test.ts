import assert from "node:assert/strict";
import { DELIVERY } from "../../hvm/io/msi.ts";
import { lapicRig, message } from "./_lapic_rig.ts";
import { lapicFromPage, lapicToPage } from "./lapic_page.ts";
import { LAPIC_PAGE_BYTES, LAPIC_REG } from "./lapic_regs.ts";
import { LAPIC_STATE, type LapicState } from "./lapic_state.ts";

/** An APIC with something in every register. */
function busy(x2apic: boolean) {
  const rig = lapicRig({ apicId: 0x25 });
  const { put, fixed, lapic, clock } = rig;
  put(LAPIC_REG.TPR, 0x21);
  put(LAPIC_REG.LDR, 0x04000000);
  put(LAPIC_REG.DFR, 0x0fffffff);
  put(LAPIC_REG.DIVIDE, 0xb);
  put(LAPIC_REG.LVT_TIMER, 0x20033);
  put(LAPIC_REG.LVT_LINT1, DELIVERY.NMI << 8);
  put(LAPIC_REG.LVT_ERROR, 0x100fe);
  put(LAPIC_REG.INITIAL_COUNT, 1_000_000);
  clock.advance(400_000);
  fixed(0x91, true);
  lapic.acknowledge();
  fixed(0x44);
  put(LAPIC_REG.ICR_HIGH, 0x07000000);
  put(LAPIC_REG.ICR_LOW, 0x00004031);
  if (x2apic) rig.enterX2apic();
  return rig;
}

function wordAt(page: Uint8Array, offset: number): number {
  return new DataView(page.buffer, page.byteOffset).getUint32(offset, true);
}

Deno.test("lapicToPage puts every register at its memory offset [SDM] table 11-1", () => {
  const { lapic, get } = busy(false);
  const page = lapicToPage(lapic.save(), { apicId: 0x25, wideIds: true });
  assert.equal(page.length, LAPIC_PAGE_BYTES);
  for (let offset = 0; offset < LAPIC_PAGE_BYTES; offset += 16) {
    assert.equal(wordAt(page, offset), get(offset), `offset ${offset.toString(16)}`);
    assert.deepEqual([...page.subarray(offset + 4, offset + 16)], new Array(12).fill(0));
  }
});

Deno.test("lapicToPage has the identification of x2APIC mode whole or in the top byte [KVM] 4.57", () => {
  const { lapic, rdmsr } = busy(true);
  const state = lapic.save();
  assert.equal(wordAt(lapicToPage(state, { apicId: 0x25, wideIds: true }), LAPIC_REG.ID), 0x25);
  assert.equal(wordAt(lapicToPage(state, { apicId: 0x25, wideIds: false }), LAPIC_REG.ID), 0x25000000);
  const ldr = wordAt(lapicToPage(state, { apicId: 0x25, wideIds: true }), LAPIC_REG.LDR);
  assert.equal(BigInt(ldr), rdmsr(LAPIC_REG.LDR));
});

Deno.test("lapicFromPage takes back what lapicToPage gave", () => {
  for (const x2apic of [false, true]) {
    const { lapic } = busy(x2apic);
    lapic.accept(message({ delivery: DELIVERY.NMI }));
    const state: LapicState = lapic.save();
    const page = lapicToPage(state, { apicId: 0x25, wideIds: true });
    const back = lapicFromPage(page, state, 0x1_23456789n);
    assert.ok(LAPIC_STATE.safeParse(back).success);
    assert.deepEqual(back, {
      ...state,
      ldr: x2apic ? 0 : state.ldr,
      timer: { ...state.timer, deadlineHigh: 1, deadlineLow: 0x23456789 },
    });
  }
});

Deno.test("lapicFromPage makes a state its schema accepts of any page", () => {
  const { lapic } = lapicRig();
  const beside = lapic.save();
  for (const fill of [0, 0xff, 0x55, 0xaa]) {
    const state = lapicFromPage(new Uint8Array(LAPIC_PAGE_BYTES).fill(fill), beside, 2n ** 64n - 1n);
    const parsed = LAPIC_STATE.safeParse(state);
    assert.ok(parsed.success, `${fill}: ${parsed.success ? "" : parsed.error.message}`);
    lapic.load(state);
  }
});
