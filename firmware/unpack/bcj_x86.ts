/**
 * Undoes the x86 branch filter of xz: CALL and JMP carry absolute targets in the packed data, relative ones in code.
 *
 * The filter takes E8h or E9h for an opcode where the top byte of the 32-bit operand after it is 00h or FFh, unless
 * another such byte stood one to three bytes before and made this place look like part of its operand. Which of the
 * three bytes before did is the `recent` mask: bit 0 the last one. Encoder and decoder must agree on it exactly.
 *
 * Sources: [XZ] The .xz file format, 5.3.2; [BCJ] the xz project's description of its BCJ filters, cross-checked with
 * the output of `xz --x86`.
 * @module
 */

/** Recent masks with which a conversion is still made. [BCJ] */
const CONVERTS = [true, true, true, false, true, false, false, false] as const;
/** The place, from the operand's top, of the byte that decides for a recent mask. [BCJ] */
const DECIDING_BYTE = [0, 1, 2, 2, 3, 3, 3, 3] as const;

/** True for the top bytes of a plausible operand: sign extension of 24 bits. */
function plausible(byte: number): boolean {
  return byte === 0x00 || byte === 0xff;
}

/**
 * Restores the code in place.
 * @param bytes All of one block; the last four bytes are never an opcode.
 * @param start The position that the first byte counts as.
 */
export function undoX86Filter(bytes: Uint8Array, start = 0): void {
  let recent = 0;
  let last = -8; // where the last opcode byte stood
  for (let at = 0, end = bytes.length - 4; at < end; at++) {
    if ((bytes[at]! & 0xfe) !== 0xe8) continue;
    const distance = at - last;
    last = at;
    recent = distance > 3 ? 0 : recent << distance - 1 & 7;
    const top = bytes[at + 4]!;
    const blocked = recent !== 0 &&
      (!CONVERTS[recent]! || plausible(bytes[at + 4 - DECIDING_BYTE[recent]!]!));
    if (blocked || !plausible(top)) {
      recent = recent << 1 | 1;
      continue;
    }
    const target = toRelative(bytes, at, start, recent);
    bytes[at + 1] = target;
    bytes[at + 2] = target >>> 8;
    bytes[at + 3] = target >>> 16;
    bytes[at + 4] = target & 0x01000000 ? 0xff : 0x00;
    at += 4;
  }
}

/** The relative operand of the opcode at `at`; bits above 24 mean nothing. */
function toRelative(bytes: Uint8Array, at: number, start: number, recent: number): number {
  let source = bytes[at + 1]! | bytes[at + 2]! << 8 | bytes[at + 3]! << 16 | bytes[at + 4]! << 24;
  while (true) {
    const target = source - (start + at + 5) | 0;
    if (recent === 0) return target;
    const shift = DECIDING_BYTE[recent]! * 8;
    if (!plausible(target >>> 24 - shift & 0xff)) return target;
    // The encoder avoided this result, since a decoder would take it for a converted operand: it flipped the low bits.
    source = target ^ (shift === 0 ? -1 : (1 << 32 - shift) - 1);
  }
}
