/**
 * Pieces of tables: little-endian numbers and joined bytes.
 * @module
 */

/** Bytes in the making: numbers are single bytes. */
export type Piece = number | Uint8Array;

/** All pieces in order. */
export function join(...pieces: readonly Piece[]): Uint8Array<ArrayBuffer> {
  const length = pieces.reduce<number>(
    (sum, piece) => sum + (typeof piece === "number" ? 1 : piece.length),
    0,
  );
  const result = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    if (typeof piece === "number") {
      result[at++] = piece;
    } else {
      result.set(piece, at);
      at += piece.length;
    }
  }
  return result;
}

/**
 * `value` in `size` bytes, low byte first.
 * @throws {RangeError} when it is negative, not whole, or needs more bytes.
 */
export function littleEndian(value: number | bigint, size: 1 | 2 | 4 | 8): Uint8Array<ArrayBuffer> {
  const whole = typeof value === "bigint" ? value : Number.isSafeInteger(value) ? BigInt(value) : -1n;
  if (whole < 0n || whole >> BigInt(8 * size) !== 0n) {
    throw new RangeError(`Cannot write ${value} in ${size} bytes`);
  }
  return new Uint8Array(BigUint64Array.of(whole).buffer).slice(0, size);
}

/** ASCII text as bytes. @throws {RangeError} for other characters and NUL. */
export function ascii(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new TextEncoder().encode(text);
  if (bytes.some((byte) => byte === 0 || byte > 0x7f)) {
    throw new RangeError(`Cannot write ${JSON.stringify(text)} as ASCII`);
  }
  return bytes;
}
