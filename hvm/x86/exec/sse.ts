/**
 * All MMX and SSE semantics that are emitted; what is rare is in sse_rare.ts.
 * @module
 */

import type { Semantics } from "./sem.ts";
import { SSE_FLOAT } from "./sse_float.ts";
import { SSE_INTEGER } from "./sse_integer.ts";
import { SSE_MOVE } from "./sse_move.ts";

/** By key. */
export const SSE: Semantics = { ...SSE_INTEGER, ...SSE_MOVE, ...SSE_FLOAT };
