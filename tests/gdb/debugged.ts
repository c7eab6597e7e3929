/**
 * A small guest to be debugged: 64-bit code in a loop until somebody writes to `stop`, then an exit by port F4h with 0.
 * @module
 */

import { qword, ref } from "../../hvm/testing/asm.ts";
import { elf64Pvh } from "../guests/build.ts";
import { Guest } from "../guests/lib.ts";

/** The guest and where things are in it. */
export interface DebuggedGuest {
  readonly image: Uint8Array;
  at(label: string): bigint;
}

/** Builds it: `main` calls `work`, which returns to `back`; `counter` counts the turns. */
export function debuggedGuest(): DebuggedGuest {
  const g = new Guest("debugged", 64);
  g.bss("counter", 8);
  g.bss("stop", 8);
  g.label("main").inc(qword(ref("counter")));
  g.call("work").label("back").cmp(qword(ref("stop")), 0).jz("main");
  g.later(() => {
    g.label("work").mov("rbx", 0x1234).mov("rcx", qword(ref("counter"))).push("rcx").pop("rdx").ret();
  });
  const image = elf64Pvh(g.finish());
  return { image, at: (label) => BigInt(g.addressOf(label)!) };
}
