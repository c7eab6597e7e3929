import assert from "node:assert/strict";
import { ConfigError } from "../base/errors.ts";
import { type DebuggerLink, listenForDebuggers } from "./server.ts";

/** A machine that answers everything with itself, when it is told to look. */
class EchoMachine implements DebuggerLink {
  turns = 0;
  seen = 0;
  hasRoom = true;
  waiting: number[] = [];

  turn(): void {
    this.turns++;
  }

  get hasTurned(): boolean {
    return this.turns === this.seen;
  }

  write(bytes: Uint8Array): number {
    if (!this.hasRoom) return 0;
    this.waiting.push(...bytes);
    return bytes.length;
  }

  read(): Uint8Array {
    return Uint8Array.from(this.waiting.splice(0));
  }
}

async function serving(
  use: (rig: {
    readonly server: ReturnType<typeof listenForDebuggers>;
    readonly machine: EchoMachine;
    readonly path: string;
    readonly said: string[];
    readonly connect: () => Promise<Deno.Conn>;
  }) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "hvm-gdb-" });
  try {
    const path = `${directory}/socket`;
    const said: string[] = [];
    using server = listenForDebuggers({ kind: "unix", path }, (text) => said.push(text));
    const machine = new EchoMachine();
    server.serve(machine);
    const connect = () => Deno.connect({ transport: "unix", path });
    await use({ server, machine, path, said, connect });
    server[Symbol.dispose]();
    await assert.rejects(Deno.stat(path));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Lets everybody have their turn, until something is true. */
async function until(isTrue: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !isTrue(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(isTrue());
}

async function textFrom(connection: Deno.Conn): Promise<string | null> {
  const buffer = new Uint8Array(100);
  const count = await connection.read(buffer);
  return count === null ? null : new TextDecoder().decode(buffer.subarray(0, count));
}

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("DebuggerServer moves bytes both ways and tells of turns", () =>
  serving(async ({ server, machine, connect }) => {
    using connection = await connect();
    await until(() => machine.turns === 1);
    machine.seen = 1;
    machine.hasRoom = false;
    await connection.write(bytes("ping"));
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(machine.waiting, []);
    machine.hasRoom = true;
    server.hear(); // there is room
    await until(() => machine.waiting.length === 4);
    server.hear();
    assert.equal(await textFrom(connection), "ping");
    connection.close();
    await until(() => machine.turns === 2);
  }));

Deno.test("DebuggerServer has one debugger at a time, and the next only when the machine has let go of it", () =>
  serving(async ({ server, machine, said, connect }) => {
    using first = await connect();
    await until(() => machine.turns === 1);
    machine.seen = 1;
    using second = await connect();
    assert.equal(await textFrom(second), null);
    assert.deepEqual(said, ["A second debugger was turned away: there is one already"]);
    first.close();
    await until(() => machine.turns === 2);
    using third = await connect();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(machine.turns, 2);
    machine.seen = 2;
    server.hear();
    await until(() => machine.turns === 3);
    await third.write(bytes("x"));
    await until(() => machine.waiting.length === 1);
  }));

Deno.test("DebuggerServer tells how the guest ended, and frees its place at once", () =>
  serving(async ({ server, machine, path, connect }) => {
    using connection = await connect();
    await until(() => machine.turns === 1);
    server.takeNoMore();
    await assert.rejects(Deno.stat(path));
    await server.end(7);
    assert.equal(await textFrom(connection), "$W07#be");
    assert.equal(await textFrom(connection), null);
  }));

Deno.test("listenForDebuggers says why a place cannot be had", async () => {
  const file = await Deno.makeTempFile();
  const refusal = (path: string) => {
    try {
      listenForDebuggers({ kind: "unix", path }, () => {})[Symbol.dispose]();
    } catch (error) {
      assert.ok(error instanceof ConfigError);
      return error.message;
    }
    return undefined;
  };
  try {
    assert.match(refusal(file)!, /: there is a file of this name already; remove it, or take another$/);
    assert.match(refusal(`${file}/x`)!, /^Cannot listen for gdb at .*: /);
    assert.ok((await Deno.stat(file)).isFile);
  } finally {
    await Deno.remove(file);
  }
});
