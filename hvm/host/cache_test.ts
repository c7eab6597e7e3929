import assert from "node:assert/strict";
import { ConfigError } from "../base/errors.ts";
import { cacheDirectory, ContentCache, contentKey } from "./cache.ts";

/** Files these tests make are their own; needs read and write permission. */
async function withDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "hvm-cache-" });
  try {
    await body(directory);
  } finally {
    await Deno.chmod(directory, 0o700);
    await Deno.remove(directory, { recursive: true });
  }
}

function counted(content: Uint8Array): { make: () => Uint8Array; count: () => number } {
  let count = 0;
  const make = () => {
    count++;
    return content;
  };
  return { make, count: () => count };
}

const files = (directory: string) => Array.from(Deno.readDirSync(directory), ({ name }) => name).sort();

Deno.test("cacheDirectory takes HVM_CACHE, then XDG_CACHE_HOME, then HOME [XDG]", () => {
  const of = (variables: Record<string, string>) => cacheDirectory({ get: (name) => variables[name] });
  assert.equal(of({ HVM_CACHE: "/c", XDG_CACHE_HOME: "/x", HOME: "/h" }), "/c");
  assert.equal(of({ HVM_CACHE: "", XDG_CACHE_HOME: "/x", HOME: "/h" }), "/x/hvm");
  assert.equal(of({ XDG_CACHE_HOME: "relative", HOME: "/h" }), "/h/.cache/hvm");
  assert.equal(of({ HVM_CACHE: "here" }), `${Deno.cwd()}/here`);
  assert.throws(() => of({}), ConfigError);
});

Deno.test("ContentCache makes an entry once, in this process and the next", async () => {
  await withDirectory(async (directory) => {
    const content = crypto.getRandomValues(new Uint8Array(10_001));
    const { make, count } = counted(content);
    for (let i = 0; i < 3; i++) {
      const cache = new ContentCache({ directory: `${directory}/deep/down` });
      assert.deepEqual(await cache.cached("kernel", make), content);
    }
    assert.equal(count(), 1);
    assert.deepEqual(files(`${directory}/deep/down`), ["kernel"]);
  });
});

Deno.test("ContentCache keeps empty content", async () => {
  await withDirectory(async (directory) => {
    const cache = new ContentCache({ directory });
    const { make, count } = counted(new Uint8Array(0));
    assert.equal((await cache.cached("none", make)).length, 0);
    assert.equal((await cache.cached("none", make)).length, 0);
    assert.equal(count(), 1);
  });
});

Deno.test("ContentCache makes a damaged entry again, wherever the damage is", async () => {
  await withDirectory(async (directory) => {
    const cache = new ContentCache({ directory });
    const content = Uint8Array.from({ length: 40 }, (_, i) => i);
    await cache.cached("k", () => content);
    const good = await Deno.readFile(`${directory}/k`);
    // Four reserved bytes of the header (20 to 23) carry nothing.
    const damaged = [...good.keys()].filter((at) => at < 20 || at >= 24).map((at) => {
      const bytes = good.slice();
      bytes[at] = bytes[at]! ^ 0x10;
      return bytes;
    });
    const truncated = [...good.keys()].map((length) => good.slice(0, length));
    for (const bytes of [...damaged, ...truncated, Uint8Array.of(...good, 0)]) {
      await Deno.writeFile(`${directory}/k`, bytes);
      const { make, count } = counted(content);
      assert.deepEqual(await cache.cached("k", make), content);
      assert.equal(count(), 1);
    }
  });
});

Deno.test("ContentCache keeps nothing when making fails", async () => {
  await withDirectory(async (directory) => {
    const cache = new ContentCache({ directory });
    await assert.rejects(cache.cached("k", () => Promise.reject(new Error("no"))), /no/);
    assert.deepEqual(files(directory), []);
  });
});

Deno.test("ContentCache lets the least recently used entry go when the limit is passed", async () => {
  await withDirectory(async (directory) => {
    const cache = new ContentCache({ directory, limitBytes: 3500 });
    const make = () => new Uint8Array(1000);
    for (const [age, key] of [[300, "a"], [200, "b"], [100, "c"]] as const) {
      await cache.cached(key, make);
      const then = new Date(Date.now() - age * 1000);
      await Deno.utime(`${directory}/${key}`, then, then);
    }
    await cache.cached("a", make);
    await cache.cached("d", make);
    assert.deepEqual(files(directory), ["a", "c", "d"]);
  });
});

Deno.test("ContentCache gives but does not keep what is larger than its limit", async () => {
  await withDirectory(async (directory) => {
    const cache = new ContentCache({ directory, limitBytes: 100 });
    assert.equal((await cache.cached("big", () => new Uint8Array(100))).length, 100);
    assert.deepEqual(files(directory), []);
  });
});

Deno.test("ContentCache removes temporary files of the dead and leaves those of the living", async () => {
  await withDirectory(async (directory) => {
    await Deno.writeFile(`${directory}/.tmp-old`, new Uint8Array(9));
    await Deno.writeFile(`${directory}/.tmp-new`, new Uint8Array(9));
    await Deno.utime(`${directory}/.tmp-old`, new Date(0), new Date(0));
    await new ContentCache({ directory }).cached("k", () => new Uint8Array(1));
    assert.deepEqual(files(directory), [".tmp-new", "k"]);
  });
});

Deno.test("ContentCache gives the result where nothing can be kept", async () => {
  await withDirectory(async (directory) => {
    await Deno.writeFile(`${directory}/file`, new Uint8Array(0));
    const cache = new ContentCache({ directory: `${directory}/file` });
    assert.deepEqual(await cache.cached("k", () => Uint8Array.of(1)), Uint8Array.of(1));
  });
});

Deno.test("ContentCache refuses keys that are not file names", async () => {
  const cache = new ContentCache({ directory: "/nonexistent" });
  for (const key of ["", ".", "..", ".tmp-x", "a/b", "a\0b", "x".repeat(129)]) {
    await assert.rejects(cache.cached(key, () => new Uint8Array(0)), RangeError, key);
  }
});

Deno.test("contentKey is the SHA-256 of FIPS 180-4's example", async () => {
  assert.equal(
    await contentKey(new TextEncoder().encode("abc")),
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
});
