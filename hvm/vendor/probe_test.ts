import assert from "node:assert/strict";
import { kvmTest } from "../testing/kvm.ts";
import { type HostFiles, kvmVendor, probe, supportedCpuid } from "./probe.ts";

function host(modules: string[], flags: string, extra: Record<string, string> = {}): HostFiles {
  return {
    exists: (path) => modules.some((name) => path === `/sys/module/${name}`),
    read: (path) => path === "/proc/cpuinfo" ? `flags\t\t: fpu ${flags} sse\n` : extra[path] ?? "",
  };
}

Deno.test("the kind of KVM follows the module, and the flags where several are there", () => {
  assert.equal(kvmVendor(host(["kvm", "kvm_intel"], "vmx")), "vmx");
  assert.equal(kvmVendor(host(["kvm", "kvm_amd"], "svm")), "svm");
  assert.equal(kvmVendor(host(["kvm", "kvm_pvm"], "")), "pvm");
  assert.equal(kvmVendor(host(["kvm", "kvm_intel", "kvm_amd"], "svm")), "svm");
  assert.equal(kvmVendor(host(["kvm", "kvm_intel", "kvm_amd"], "vmx")), "vmx");
  assert.equal(kvmVendor(host(["kvm", "kvm_intel", "kvm_amd", "kvm_pvm"], "")), "pvm");
  // Flags alone decide nothing: some hosts hide them from /proc/cpuinfo.
  assert.equal(kvmVendor(host(["kvm", "kvm_intel"], "")), "vmx");
});

Deno.test("a KVM of an unknown kind is refused with a sentence", () => {
  for (const files of [host(["kvm"], "vmx"), host(["kvm", "kvm_intel", "kvm_amd"], "")]) {
    assert.throws(() => kvmVendor(files), {
      name: "HostError",
      message: /^Cannot use KVM of this host: it is of a kind hvm does not know .*use --engine soft$/,
    });
  }
});

Deno.test("the soft engine is there on every host", () => {
  const found = probe("soft", { device: "/nonexistent/kvm" });
  assert.equal(found.vendor, "soft");
  assert.equal(found.caps.stockGuests, true);
  assert.deepEqual(found.caps.irqchips, ["user"]);
  assert.match(found.reason, /^engine soft: hvm's own processor, as asked$/);
});

Deno.test("auto takes the soft engine where KVM cannot be used, and says why", () => {
  const found = probe("auto", { device: "/nonexistent/kvm", files: host([], "") });
  assert.equal(found.vendor, "soft");
  assert.match(found.reason, /since KVM cannot be used: Cannot use \/nonexistent\/kvm: there is no KVM/);
});

Deno.test("a missing device is refused before anything else is looked at", () => {
  assert.throws(() => probe("kvm", { device: "/nonexistent/kvm", files: host([], "") }), {
    name: "HostError",
    errno: "ENOENT",
    message: /^Cannot use \/nonexistent\/kvm: there is no KVM/,
  });
});

kvmTest("probing says what this host can do, and why it was chosen", {}, () => {
  assert.equal(probe("kvm").caps.tscKhz, 0);
  const result = probe("kvm", { measureTsc: true });
  assert.match(result.reason, /^engine kvm \((vmx|svm|pvm)\): KVM /);
  assert.equal(result.reason.includes("\n"), false);
  assert.ok(result.caps.irqchips.includes("user"));
  assert.ok(result.caps.tscKhz > 100_000 && result.caps.maxCpus >= 1);
  assert.ok(supportedCpuid().length > 5 && result.quirks.length > 3);
  assert.equal(result.capabilities.USER_MEMORY, 1);
  assert.deepEqual(structuredClone(result.caps), result.caps);
  // Without hardware virtualization stock guests do not run, and auto takes what runs them.
  assert.equal(probe("auto").vendor, result.vendor === "pvm" ? "soft" : result.vendor);
});

kvmTest("facts follow the module's parameters", {}, () => {
  const parameter = "/sys/module/kvm_intel/parameters/unrestricted_guest";
  const facts = (modules: string[], flags: string, text: string) =>
    probe("kvm", { files: host(modules, flags, { [parameter]: text }) }).caps;
  assert.equal(facts(["kvm_intel"], "vmx", "Y\n").realMode, true);
  assert.equal(facts(["kvm_intel"], "vmx", "N\n").realMode, false);
  assert.equal(facts(["kvm_amd"], "svm", "").realMode, true);
  assert.equal(facts(["kvm_amd"], "svm", "").stockGuests, true);
  assert.equal(facts(["kvm_pvm"], "", "").stockGuests, false);
});
