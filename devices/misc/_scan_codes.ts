/**
 * The controller's translation of scan codes from set 2, which keyboards send, to set 1, which PC software expects.
 *
 * Sources: [PCAT] IBM PC AT Technical Reference, keyboard (scan code translation table of the keyboard controller);
 * [PS2KBD] IBM PS/2 Hardware Interface Technical Reference, scan code sets 1 and 2.
 * @module
 */

/** Sixteen codes a line, for 00h to 7Fh. */
const TABLE = [
  "ff43 413f 3d3b 3c58 6444 4240 3e0f 2959",
  "6538 2a70 1d10 025a 6671 2c1f 1e11 035b",
  "672e 2d20 1205 045c 6839 2f21 1413 065d",
  "6931 3023 2215 075e 6a72 3224 1608 095f",
  "6b33 2517 180b 0a60 6c34 3526 2719 0c61",
  "6d73 2874 1a0d 626e 3a36 1c1b 752b 6376",
  "5556 7778 797a 0e7b 7c4f 7d4b 477e 7f6f",
  "5253 504c 4d48 0145 574e 514a 3749 4654",
].join("").replaceAll(" ", "");

/** What a code of set 2 becomes in set 1; F0h, the break prefix, is the caller's to handle. */
export function toSet1(code: number): number {
  if (code < 0x80) return Number.parseInt(TABLE.slice(code * 2, code * 2 + 2), 16);
  // The two keys whose set 2 codes lie above 7Fh: F7 and system request.
  if (code === 0x83) return 0x41;
  if (code === 0x84) return 0x54;
  return code;
}
