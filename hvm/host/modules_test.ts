import assert from "node:assert/strict";
import fc from "fast-check";
import { indexModules, modinfo, moduleName } from "./modules.ts";
import { tinyModule } from "./_tiny_module.ts";

/** A directory of one release with modules given as `path: [modinfo strings]`. */
async function withModules(
  modules: Record<string, string[]>,
  body: (directory: string) => Promise<void>,
): Promise<void> {
  const root = await Deno.makeTempDir({ prefix: "hvm-modules-" });
  const directory = `${root}/6.1.0-test`;
  try {
    await Deno.mkdir(directory);
    for (const [path, strings] of Object.entries(modules)) {
      await Deno.mkdir(`${directory}/${path.slice(0, path.lastIndexOf("/"))}`, { recursive: true });
      await Deno.writeFile(`${directory}/${path}`, tinyModule(strings));
    }
    await body(directory);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

const VIRTIO = {
  "kernel/virtio.ko": [],
  "kernel/virtio_ring.ko": [],
  "kernel/drivers/virtio-pci.ko": ["depends=virtio,virtio_ring,virtio_pci_dev", "alias=pci:v00001AF4d*"],
  "kernel/drivers/virtio_pci_dev.ko": ["depends=virtio_ring"],
  "kernel/fs/ext4.ko": ["depends=", "softdep=pre: crc-soft post: never"],
  "kernel/lib/crc-soft.ko": ["depends=crc_base"],
  "kernel/lib/crc_base.ko": [],
};

Deno.test("moduleName drops directories and endings and unifies dashes", () => {
  for (
    const path of ["a/b/kvm-amd.ko", "kvm-amd.ko.xz", "kvm_amd.ko.zst", "kvm-amd", "kernel/kvm_amd.ko.gz"]
  ) {
    assert.equal(moduleName(path), "kvm_amd", path);
  }
});

Deno.test("modinfo gives every string by name", () => {
  const info = modinfo(tinyModule(["license=GPL", "alias=a", "alias=b=c", "depends="]));
  assert.deepEqual([...info ?? []], [["license", ["GPL"]], ["alias", ["a", "b=c"]], ["depends", [""]]]);
});

Deno.test("modinfo is undefined for what is no module, cut at any byte included", () => {
  const whole = tinyModule(["license=GPL"]);
  for (let length = 0; length < whole.length; length++) modinfo(whole.subarray(0, length));
  assert.equal(modinfo(whole.subarray(0, whole.length - 1)), undefined);
  assert.equal(modinfo(new Uint8Array(0)), undefined);
  assert.equal(modinfo(new TextEncoder().encode("#!/bin/sh\n".repeat(20))), undefined);
});

Deno.test("modinfo never throws on damaged modules", () => {
  const whole = tinyModule(["license=GPL", "depends=a"]);
  fc.assert(fc.property(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
    const damaged = whole.slice();
    damaged[at] = byte;
    modinfo(damaged);
  }));
});

Deno.test("indexModules lists dependencies with the last to be loaded first [modules.dep]", async () => {
  await withModules(VIRTIO, async (directory) => {
    assert.equal(await indexModules(directory), 7);
    const dep = (await Deno.readTextFile(`${directory}/modules.dep`)).trimEnd().split("\n");
    assert.deepEqual(dep.slice(0, 2), [
      "kernel/drivers/virtio-pci.ko: kernel/drivers/virtio_pci_dev.ko kernel/virtio_ring.ko kernel/virtio.ko",
      "kernel/drivers/virtio_pci_dev.ko: kernel/virtio_ring.ko",
    ]);
    assert.equal(await Deno.readTextFile(`${directory}/modules.alias`), "alias pci:v00001AF4d* virtio_pci\n");
    assert.equal(
      await Deno.readTextFile(`${directory}/modules.softdep`),
      "softdep ext4 pre: crc-soft post: never\n",
    );
  });
});

Deno.test("indexModules survives modules that need each other, and drops needs that nobody meets", async () => {
  await withModules({ "k/a.ko": ["depends=b,gone"], "k/b.ko": ["depends=a"] }, async (directory) => {
    await indexModules(directory);
    assert.equal(await Deno.readTextFile(`${directory}/modules.dep`), "k/a.ko: k/b.ko\nk/b.ko: k/a.ko\n");
  });
});

Deno.test("indexModules writes empty files where there are no modules", async () => {
  await withModules({}, async (directory) => {
    assert.equal(await indexModules(directory), 0);
    assert.equal(await Deno.readTextFile(`${directory}/modules.dep`), "");
  });
});
