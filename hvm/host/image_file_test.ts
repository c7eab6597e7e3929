import assert from "node:assert/strict";
import { readImageFile } from "./image_file.ts";

Deno.test({
  name: "readImageFile reads a file, and says what is wrong with anything else",
  permissions: { read: true, write: true },
  async fn() {
    const directory = await Deno.makeTempDir();
    try {
      await Deno.writeFile(`${directory}/good`, Uint8Array.of(1, 2, 3));
      await Deno.writeFile(`${directory}/empty`, new Uint8Array());
      await Deno.symlink(`${directory}/loop`, `${directory}/loop`);
      assert.deepEqual([...await readImageFile(`${directory}/good`, "kernel")], [1, 2, 3]);
      const cases: [string, string][] = [
        ["missing", "there is no such file"],
        ["empty", "it is empty"],
        ["loop", "it is a loop of links"],
        ["good/x", "a part of its path is not a directory"],
        ["", "it is a directory"],
        ["x".repeat(300), "file name too long"],
      ];
      for (const [name, why] of cases) {
        await assert.rejects(readImageFile(`${directory}/${name}`, "kernel"), {
          name: "ImageError",
          message: `Cannot read kernel ${directory}/${name}: ${why}`,
        });
      }
      await assert.rejects(readImageFile("/dev/null", "initrd"), {
        message: "Cannot read initrd /dev/null: it is not a file",
      });
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});
