import assert from "node:assert/strict";
import { ConfigError } from "../base/errors.ts";
import {
  cpuidFor,
  type CpuidLeaf,
  type CpuidRequest,
  CpuidTable,
  FEATURE,
  type FeatureName,
} from "./cpuid.ts";

function leaf(number: number, values: Partial<CpuidLeaf> = {}): CpuidLeaf {
  return { leaf: number, subleaf: 0, indexed: false, eax: 0, ebx: 0, ecx: 0, edx: 0, ...values };
}

/** An engine that claims everything. */
function everything(): CpuidLeaf[] {
  const all = { eax: 0xffffffff, ebx: 0xffffffff, ecx: 0xffffffff, edx: 0xffffffff };
  return [
    leaf(0, { eax: 0xd, ebx: 0x756e6547, edx: 0x49656e69, ecx: 0x6c65746e }),
    leaf(1, { ...all, eax: 0x000806f8 }),
    leaf(4, { indexed: true, subleaf: 0, eax: 1 | 1 << 5 | 0xfff << 14 }),
    leaf(4, { indexed: true, subleaf: 3, eax: 3 | 3 << 5 }),
    leaf(7, { ...all, indexed: true, eax: 0 }),
    leaf(0xb, { indexed: true, subleaf: 0 }),
    leaf(0xb, { indexed: true, subleaf: 1 }),
    leaf(0xb, { indexed: true, subleaf: 2 }),
    leaf(0x40000000),
    leaf(0x40000001, all),
    leaf(0x80000000, { eax: 0x80000008 }),
    leaf(0x80000001, all),
    leaf(0x80000008, { eax: 0x3034, ecx: 0xffff }),
  ];
}

function request(changes: Partial<CpuidRequest> = {}): CpuidRequest {
  return {
    supported: everything(),
    model: "host",
    userApic: false,
    tscDeadline: true,
    apicId: 0,
    cpus: 1,
    tscKhz: 2_000_000,
    ...changes,
  };
}

function table(changes: Partial<CpuidRequest> = {}): CpuidTable {
  return new CpuidTable(cpuidFor(request(changes)));
}

const shown = (t: CpuidTable, names: FeatureName[]) => names.filter((name) => t.has(name));

Deno.test("cpuidFor hides what nothing here serves, in every mode", () => {
  for (const userApic of [true, false]) {
    assert.deepEqual(shown(table({ userApic }), ["VMX", "SVM", "MONITOR", "OSXSAVE", "PDCM"]), []);
  }
});

Deno.test("cpuidFor hides what needs KVM's own APIC when the APIC is ours", () => {
  const names: FeatureName[] = [
    "X2APIC",
    "TSC_DEADLINE",
    "KVM_PV_EOI",
    "KVM_PV_UNHALT",
    "KVM_ASYNC_PF",
    "KVM_PV_SEND_IPI",
  ];
  assert.deepEqual(shown(table({ userApic: true }), names), []);
  assert.deepEqual(shown(table({ userApic: false }), names), names);
});

Deno.test("cpuidFor keeps kvmclock in every mode", () => {
  const names: FeatureName[] = ["KVM_CLOCKSOURCE", "KVM_CLOCKSOURCE2", "KVM_CLOCKSOURCE_STABLE"];
  for (const userApic of [true, false]) assert.deepEqual(shown(table({ userApic }), names), names);
});

Deno.test("cpuidFor shows TSC-deadline when only the capability says so [KVM]", () => {
  const supported = everything();
  const one = supported.find((l) => l.leaf === 1)!;
  one.ecx = (one.ecx & ~(1 << FEATURE.TSC_DEADLINE.bit)) >>> 0;
  assert.ok(table({ supported, tscDeadline: true }).has("TSC_DEADLINE"));
  assert.ok(!table({ supported, tscDeadline: false }).has("TSC_DEADLINE"));
});

Deno.test("cpuidFor hides the features a quirk names", () => {
  assert.ok(!table({ hidden: ["POPCNT"] }).has("POPCNT"));
  assert.ok(table().has("POPCNT"));
});

Deno.test("cpuidFor gives each processor its own APIC id and the package its count [SDM] leaves 1 and 0Bh", () => {
  const t = table({ apicId: 5, cpus: 6 });
  assert.equal(t.find(1)!.ebx >>> 24, 5);
  assert.equal(t.find(1)!.ebx >>> 16 & 0xff, 8);
  assert.ok(t.has("HTT"));
  assert.equal(t.find(0xb, 0)!.edx, 5);
  assert.deepEqual([t.find(0xb, 1)!.eax, t.find(0xb, 1)!.ebx, t.find(0xb, 1)!.ecx >>> 8], [3, 6, 2]);
  assert.equal(t.find(0xb, 2)!.ebx, 0);
  assert.equal(t.find(0x80000008)!.ecx & 0xff, 5);
  assert.ok(!table({ cpus: 1 }).has("HTT"));
});

Deno.test("cpuidFor shares the last-level cache and no other among cores [SDM] leaf 4", () => {
  const t = table({ cpus: 4 });
  assert.equal(t.find(4, 0)!.eax >>> 14 & 0xfff, 0);
  assert.equal(t.find(4, 3)!.eax >>> 14 & 0xfff, 3);
  assert.equal(t.find(4, 3)!.eax >>> 26, 3);
});

Deno.test("cpuidFor says KVM and the TSC's rate in the hypervisor leaves [KVM]", () => {
  const t = table();
  const signature = t.find(0x40000000)!;
  const text = [signature.ebx, signature.ecx, signature.edx]
    .flatMap((word) => [0, 8, 16, 24].map((shift) => word >>> shift & 0xff))
    .map((code) => String.fromCharCode(code)).join("");
  assert.equal(text, "KVMKVMKVM\0\0\0");
  assert.equal(t.find(0x40000010)!.eax, 2_000_000);
});

Deno.test("cpuidFor baseline is the same on any engine that can keep it", () => {
  const other = everything();
  const one = other.find((l) => l.leaf === 1)!;
  one.eax = 0x00a00f11;
  one.ecx = (one.ecx & ~(1 << FEATURE.MOVBE.bit)) >>> 0;
  const a = cpuidFor(request({ model: "baseline" }));
  const b = cpuidFor(request({ model: "baseline", supported: other, tscKhz: 1 }));
  assert.deepEqual(a, b);
  assert.ok(new CpuidTable(a).has("SSE4_2"));
  assert.ok(!new CpuidTable(a).has("MOVBE"));
});

Deno.test("cpuidFor refuses baseline where a feature is missing and names it", () => {
  const supported = everything();
  const one = supported.find((l) => l.leaf === 1)!;
  one.ecx = (one.ecx & ~(1 << FEATURE.CX16.bit)) >>> 0;
  assert.throws(
    () => cpuidFor(request({ model: "baseline", supported })),
    (error) => error instanceof ConfigError && error.path === "cpu" && error.message.includes("CX16"),
  );
});

Deno.test("CpuidTable leaves an absent leaf alone", () => {
  const t = new CpuidTable([]);
  t.set("SSE", true);
  assert.deepEqual(t.leaves, []);
  assert.ok(!t.has("SSE"));
});
