/**
 * All MMX and SSE semantics that are emitted; what is rare is in sse_rare.ts.
 * @module
 */

import { CPU } from "./cpu_memory.ts";
import { type Semantic, type Semantics, VECTOR } from "./sem.ts";
import { SSE_FLOAT } from "./sse_float.ts";
import { SSE_INTEGER } from "./sse_integer.ts";
import { SSE_MOVE } from "./sse_move.ts";
import { isMmx } from "./sse_operands.ts";

/** What uses an MMX register, and EMMS, first raises an x87 exception that is pending. [SDM] vol. 3A, 13.5 */
function waiting(key: string, semantic: Semantic): Semantic {
  return {
    ...semantic,
    emit: (s) => {
      if (isMmx(s) || key === "emms") s.faultIf(s.cell32(CPU.FSW).and(0x80), VECTOR.MF);
      semantic.emit(s);
    },
  };
}

/** By key. */
export const SSE: Semantics = Object.fromEntries(
  Object.entries({ ...SSE_INTEGER, ...SSE_MOVE, ...SSE_FLOAT })
    .map(([key, semantic]) => [key, waiting(key, semantic)]),
);
