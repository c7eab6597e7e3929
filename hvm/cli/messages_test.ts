import assert from "node:assert/strict";
import { Messages } from "./messages.ts";

function rig() {
  let said = "";
  const messages = new Messages({
    writeSync(data) {
      const part = data.subarray(0, 5);
      said += new TextDecoder().decode(part);
      return part.length;
    },
  });
  return { messages, said: () => said };
}

Deno.test("Messages names the program, and begins a line where the guest left one open", () => {
  const { messages, said } = rig();
  messages.say("One");
  messages.midLine = true;
  messages.say("Two\nmore");
  messages.say("Three");
  assert.equal(said(), "hvm: One\n\nhvm: Two\nmore\nhvm: Three\n");
});

Deno.test("Messages returns the carriage of a raw terminal", () => {
  const { messages, said } = rig();
  messages.raw = true;
  messages.midLine = true;
  messages.say("One\ntwo");
  messages.newLine();
  assert.equal(said(), "\r\nhvm: One\r\ntwo\r\n\r\n");
});

Deno.test("Messages are no reason to fail", () => {
  const messages = new Messages({
    writeSync() {
      throw new Error("Nobody is there");
    },
  });
  assert.doesNotThrow(() => messages.say("One"));
});
