import assert from "node:assert/strict";
import { ImageError } from "../base/errors.ts";
import { readImageFile } from "./image_file.ts";

async function refusal(path: string, limitBytes = 1000): Promise<string> {
  try {
    await readImageFile(path, "kernel", limitBytes);
  } catch (error) {
    assert.ok(error instanceof ImageError, String(error));
    return error.message;
  }
  throw new Error(`${path} was read`);
}

Deno.test("readImageFile says what is wrong with a file, and reads a good one", async () => {
  const directory = await Deno.makeTempDir();
  try {
    assert.match(await refusal(`${directory}/none`), /^Cannot find the kernel /);
    assert.match(await refusal(directory), /it is a directory$/);
    await Deno.writeFile(`${directory}/empty`, new Uint8Array(0));
    assert.match(await refusal(`${directory}/empty`), /is empty$/);
    await Deno.writeFile(`${directory}/large`, new Uint8Array(1001));
    assert.match(await refusal(`${directory}/large`), /does not fit the guest's memory .* --memory$/);
    await Deno.writeFile(`${directory}/good`, Uint8Array.of(1, 2));
    assert.deepEqual([...await readImageFile(`${directory}/good`, "kernel", 2)], [1, 2]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
