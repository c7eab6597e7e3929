import assert from "node:assert/strict";
import { EventHub } from "./events.ts";

Deno.test("EventHub hands each event to every listener until it leaves", () => {
  const hub = new EventHub<number>();
  const seen: string[] = [];
  const leave = hub.subscribe((event) => seen.push(`a${event}`));
  hub.subscribe((event) => seen.push(`b${event}`));
  hub.emit(1);
  leave();
  hub.emit(2);
  hub.close();
  hub.emit(3);
  assert.deepEqual(seen, ["a1", "b1", "b2"]);
});

Deno.test("EventHub counts two subscriptions of one function as two", () => {
  const hub = new EventHub<number>();
  let calls = 0;
  const listener = () => void calls++;
  const leave = hub.subscribe(listener);
  hub.subscribe(listener);
  hub.emit(1);
  leave();
  hub.emit(2);
  assert.equal(calls, 3);
});

Deno.test("EventHub's loop sees what came since it began, also after the end", async () => {
  const hub = new EventHub<number | undefined>();
  hub.emit(0);
  const loop = hub[Symbol.asyncIterator]();
  hub.emit(1);
  hub.emit(undefined);
  hub.close();
  assert.deepEqual(await loop.next(), { done: false, value: 1 });
  assert.deepEqual(await loop.next(), { done: false, value: undefined });
  assert.deepEqual(await loop.next(), { done: true, value: undefined });
  assert.deepEqual(await hub[Symbol.asyncIterator]().next(), { done: true, value: undefined });
});

Deno.test("EventHub's loop wakes for an event, for the end, and when it is left", async () => {
  const hub = new EventHub<string>();
  const seen: string[] = [];
  const follow = (async () => {
    for await (const event of hub) {
      seen.push(event);
      if (event === "last") break;
    }
  })();
  const other = hub[Symbol.asyncIterator]();
  const pending = other.next();
  hub.emit("first");
  hub.emit("last");
  await follow;
  assert.deepEqual(seen, ["first", "last"]);
  assert.deepEqual(await pending, { done: false, value: "first" });
  const two = [other.next(), other.next()];
  hub.emit("third");
  assert.deepEqual(await Promise.all(two), [{ done: false, value: "last" }, { done: false, value: "third" }]);
  const left = other.return?.();
  assert.deepEqual(await left, { done: true, value: undefined });
  assert.deepEqual(await other.next(), { done: true, value: undefined });
});
