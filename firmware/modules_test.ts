import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { ConfigError, ImageError } from "../hvm/base/errors.ts";
import { XZ } from "./unpack/_fixtures.ts";
import { sample } from "./unpack/_sample.ts";
import { collectModules, moduleName, moduleNeeds, resolveModules, unpackModule } from "./modules.ts";

const DEP =
  `kernel/drivers/net/virtio_net.ko.xz: kernel/net/core/failover.ko.xz kernel/drivers/virtio/virtio.ko.xz kernel/drivers/virtio/virtio_ring.ko.xz
kernel/net/core/failover.ko.xz:
kernel/drivers/virtio/virtio.ko.xz: kernel/drivers/virtio/virtio_ring.ko.xz
kernel/drivers/virtio/virtio_ring.ko.xz:
kernel/fs/a-b.ko: kernel/fs/missing.ko
kernel/x/loop1.ko: kernel/x/loop2.ko
kernel/x/loop2.ko: kernel/x/loop1.ko
`;
const BUILTIN = "kernel/fs/ext4/ext4.ko\nkernel/drivers/nvme/host/nvme-core.ko\n";

/** An object with a .modinfo section, as [ELF] lays one out. */
function moduleFile(modinfo: string): Uint8Array {
  const names = "\0.modinfo\0.shstrtab\0";
  const bytes = new Uint8Array(64 + modinfo.length + names.length + 3 * 64);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 1, true);
  view.setUint16(18, 62, true);
  const table = 64 + modinfo.length + names.length;
  view.setBigUint64(40, BigInt(table), true);
  [64, 3, 2].forEach((value, i) => view.setUint16(58 + i * 2, value, true));
  bytes.set(new TextEncoder().encode(modinfo + names), 64);
  [[1, 64, modinfo.length], [10, 64 + modinfo.length, names.length]].forEach(([name, at, size], i) => {
    const header = table + (i + 1) * 64;
    view.setUint32(header, name!, true);
    view.setBigUint64(header + 24, BigInt(at!), true);
    view.setBigUint64(header + 32, BigInt(size!), true);
  });
  return bytes;
}

Deno.test("moduleName drops directory and suffix, and takes - for _", () => {
  assert.equal(moduleName("kernel/drivers/net/virtio-net.ko.xz"), "virtio_net");
  assert.equal(moduleName("ext4"), "ext4");
  assert.equal(moduleName("a.ko"), "a");
  assert.equal(moduleName("a.ko.zst"), "a");
});

Deno.test("resolveModules puts each module after what it needs, none twice [DEP]", () => {
  const order = resolveModules(["virtio-net", "virtio"], DEP, BUILTIN);
  assert.deepEqual([...order].sort(), [
    "kernel/drivers/net/virtio_net.ko.xz",
    "kernel/drivers/virtio/virtio.ko.xz",
    "kernel/drivers/virtio/virtio_ring.ko.xz",
    "kernel/net/core/failover.ko.xz",
  ]);
  const place = (name: string) => order.findIndex((path) => moduleName(path) === name);
  assert.ok(place("virtio_ring") < place("virtio"));
  assert.ok(place("virtio") < place("virtio_net") && place("failover") < place("virtio_net"));
});

Deno.test("resolveModules leaves out what is built in, and ends on circles", () => {
  assert.deepEqual(resolveModules(["ext4", "nvme_core"], DEP, BUILTIN), []);
  assert.equal(resolveModules(["loop1"], DEP, BUILTIN).length, 2);
});

Deno.test("resolveModules names a module that is not there", () => {
  assert.throws(() => resolveModules(["nosuch"], DEP, BUILTIN), {
    name: "ConfigError",
    message: "This kernel has no module named nosuch",
  });
  assert.throws(() => resolveModules(["a_b"], DEP, BUILTIN), /no module named missing, which a_b needs/);
});

Deno.test("moduleNeeds reads depends and soft dependencies [INFO]", () => {
  const file = moduleFile(
    "license=GPL\0depends=virtio,net-failover\0softdep=pre: crc32c sha-256 post: late\0name=x\0",
  );
  assert.deepEqual(moduleNeeds(file, "x.ko"), {
    depends: ["virtio", "net_failover"],
    softDepends: ["crc32c", "sha_256"],
  });
  assert.deepEqual(moduleNeeds(moduleFile("depends=\0"), "x.ko"), { depends: [], softDepends: [] });
});

Deno.test("moduleNeeds refuses a file cut anywhere, and survives flipped bits", () => {
  const file = moduleFile("depends=a\0");
  for (let length = 0; length < file.length; length++) {
    assert.throws(() => moduleNeeds(file.subarray(0, length), "x.ko"), ImageError, `${length}`);
  }
  let refused = 0;
  for (let bit = 0; bit < file.length * 8; bit++) {
    file[bit >>> 3]! ^= 1 << (bit & 7);
    try {
      moduleNeeds(file, "x.ko");
    } catch (error) {
      assert.ok(error instanceof ImageError, `${error}`);
      refused++;
    }
    file[bit >>> 3]! ^= 1 << (bit & 7);
  }
  assert.ok(refused > 100);
});

Deno.test("unpackModule unpacks what is packed and says which module is damaged", async () => {
  assert.deepEqual(await unpackModule("x.ko.xz", XZ), sample());
  const plain = moduleFile("");
  assert.equal(await unpackModule("x.ko", plain), plain);
  await assert.rejects(unpackModule("dir/x.ko.xz", XZ.subarray(0, 100)), {
    name: "ImageError",
    message: /Cannot unpack the kernel module dir\/x\.ko\.xz: The xz data/,
  });
});

Deno.test("collectModules follows the modules' own words, unpacked, in order", async () => {
  const files: Record<string, Uint8Array> = {
    "k/net.ko.gz": new Uint8Array(gzipSync(moduleFile("depends=bus,ext4\0softdep=pre: soft gone\0"))),
    "k/bus.ko": moduleFile("depends=ring\0"),
    "k/ring.ko": moduleFile("depends=\0"),
    "k/soft.ko": moduleFile("depends=\0"),
    "k/broken.ko": moduleFile("depends=nowhere\0"),
  };
  const source = {
    paths: Object.keys(files),
    builtin: BUILTIN,
    read: (path: string) => Promise.resolve(files[path]!),
  };
  const modules = await collectModules(["net", "ext4", "net"], source);
  assert.deepEqual(modules.map(({ name }) => name), ["ring", "bus", "soft", "net"]);
  assert.deepEqual(modules.at(-1)!.bytes, moduleFile("depends=bus,ext4\0softdep=pre: soft gone\0"));
  await assert.rejects(collectModules(["broken"], source), ConfigError);
  await assert.rejects(collectModules(["nosuch"], source), /no module named nosuch$/);
});
