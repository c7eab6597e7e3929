/**
 * Every instruction that TypeScript does, by semantics key.
 * @module
 */

import type { SystemOps } from "../../x86/cpu.ts";
import { FAR } from "../../x86/exec/far.ts";
import { FLAG_OPS } from "../../x86/exec/flag_ops.ts";
import { FPU_STATE } from "../../x86/exec/fpu_state.ts";
import { PORT_IO } from "../../x86/exec/portio.ts";
import { SEGMENT_OPS } from "../../x86/exec/segment.ts";
import { SSE_EXACT } from "../../x86/exec/sse_exact.ts";
import { SSE_RARE } from "../../x86/exec/sse_rare.ts";
import { STRING_CHECKED } from "../../x86/exec/string_checked.ts";
import { SYSTEM } from "../../x86/exec/system.ts";

/** By key. */
export const SYSTEM_OPS: SystemOps = {
  ...SYSTEM,
  ...SEGMENT_OPS,
  ...FAR,
  ...PORT_IO,
  ...FLAG_OPS,
  ...FPU_STATE,
  ...SSE_RARE,
  ...SSE_EXACT,
  ...STRING_CHECKED,
};
