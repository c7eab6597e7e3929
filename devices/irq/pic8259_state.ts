/**
 * What a {@linkcode Pic8259} is made of, checked before it is loaded.
 * @module
 */

import * as z from "zod/mini";
import { bits, bitsOf, within } from "../schema.ts";
import { ELCR_WRITABLE, ICW2, ICW4 } from "./pic8259_regs.ts";

/** Schema of one 8259A. */
const CHIP_STATE = (elcrWritable: number) =>
  z.strictObject({
    /** Levels of the inputs. */
    inputs: bits(8),
    /** Inputs that have risen since their last acknowledge and are high still. */
    edges: bits(8),
    elcr: bitsOf(elcrWritable),
    isr: bits(8),
    imr: bits(8),
    icw2: bitsOf(ICW2.BASE),
    icw3: bits(8),
    icw4: bitsOf(ICW4.UPM | ICW4.AEOI | ICW4.MS | ICW4.BUF | ICW4.SFNM),
    /** The chip works alone (ICW1). */
    single: z.boolean(),
    /** ICW4 will follow (ICW1). */
    icw4Wanted: z.boolean(),
    /** The initialization word that A0 = 1 takes next, 0 when the sequence is over. */
    nextIcw: z.union([z.literal(0), within(2, 4)]),
    /** The input of lowest priority. */
    lowest: within(0, 7),
    rotateInAeoi: z.boolean(),
    specialMask: z.boolean(),
    /** A read of A0 = 0 gives ISR rather than IRR. */
    readIsr: z.boolean(),
    /** The next read is a poll. */
    pollArmed: z.boolean(),
  }).check(z.refine((chip) => (chip.edges & ~chip.inputs) === 0, "an edge is held on an input that is low"));

/** Schema of the state of a pair of 8259As. */
export const PIC_STATE = z.strictObject({
  primary: CHIP_STATE(ELCR_WRITABLE[0]),
  secondary: CHIP_STATE(ELCR_WRITABLE[1]),
});

/** State of one 8259A. */
export type PicChipState = z.infer<ReturnType<typeof CHIP_STATE>>;

/** State of a pair. */
export type PicState = z.infer<typeof PIC_STATE>;
