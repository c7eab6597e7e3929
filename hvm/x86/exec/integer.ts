/**
 * All integer semantics but branches.
 * @module
 */

import { ALU } from "./alu.ts";
import { BCD } from "./bcd.ts";
import { BITOPS } from "./bitops.ts";
import { MOV } from "./mov.ts";
import { MULDIV } from "./muldiv.ts";
import type { Semantics } from "./sem.ts";
import { SHIFT } from "./shift.ts";
import { STACK } from "./stack.ts";
import { STRING } from "./string.ts";

/** By key. */
export const INTEGER: Semantics = {
  ...ALU,
  ...SHIFT,
  ...MULDIV,
  ...BITOPS,
  ...MOV,
  ...STACK,
  ...STRING,
  ...BCD,
};
