/**
 * The checksums that compressed files carry: CRC-32, CRC-64 and Adler-32.
 *
 * Sources: [XZ] The .xz file format 1.2.0, ch. 6 (both CRCs, reflected); [1950] RFC 1950, ch. 9 (Adler-32).
 * @module
 */

const CRC32_POLYNOMIAL = 0xedb88320;
const CRC64_LOW = 0xd7870f42;
const CRC64_HIGH = 0xc96c5795;

let crc32Tables: Uint32Array[] | undefined;
let crc64Tables: { low: Uint32Array; high: Uint32Array } | undefined;

/** Four tables: `tables[k][b]` is the CRC of byte b followed by k zero bytes, so four bytes are taken at once. */
function tablesOfCrc32(): Uint32Array[] {
  const tables = Array.from({ length: 4 }, () => new Uint32Array(256));
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >>> 1 ^ CRC32_POLYNOMIAL : crc >>> 1;
    tables[0]![byte] = crc;
  }
  for (let k = 1; k < 4; k++) {
    for (let byte = 0; byte < 256; byte++) {
      const crc = tables[k - 1]![byte]!;
      tables[k]![byte] = crc >>> 8 ^ tables[0]![crc & 0xff]!;
    }
  }
  return tables;
}

/** CRC-32 of `bytes`, unsigned. [XZ] 6 */
export function crc32(bytes: Uint8Array): number {
  const [t0, t1, t2, t3] = crc32Tables ??= tablesOfCrc32();
  let crc = 0xffffffff;
  let at = 0;
  for (const end = bytes.length - 3; at < end; at += 4) {
    crc ^= bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24;
    crc = t3![crc & 0xff]! ^ t2![crc >>> 8 & 0xff]! ^ t1![crc >>> 16 & 0xff]! ^ t0![crc >>> 24]!;
  }
  for (; at < bytes.length; at++) crc = crc >>> 8 ^ t0![(crc ^ bytes[at]!) & 0xff]!;
  return ~crc >>> 0;
}

function tablesOfCrc64(): { low: Uint32Array; high: Uint32Array } {
  const low = new Uint32Array(256);
  const high = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let l = byte;
    let h = 0;
    for (let bit = 0; bit < 8; bit++) {
      const odd = l & 1;
      l = l >>> 1 | h << 31;
      h >>>= 1;
      if (odd) {
        l ^= CRC64_LOW;
        h ^= CRC64_HIGH;
      }
    }
    low[byte] = l;
    high[byte] = h;
  }
  return { low, high };
}

/** CRC-64 of `bytes`, in two unsigned halves (a bigint for each byte would be many times slower). [XZ] 6 */
export function crc64(bytes: Uint8Array): { low: number; high: number } {
  const tables = crc64Tables ??= tablesOfCrc64();
  let low = 0xffffffff;
  let high = 0xffffffff;
  for (let at = 0; at < bytes.length; at++) {
    const index = (low ^ bytes[at]!) & 0xff;
    low = (low >>> 8 | high << 24) ^ tables.low[index]!;
    high = high >>> 8 ^ tables.high[index]!;
  }
  return { low: ~low >>> 0, high: ~high >>> 0 };
}

/** Adler-32 of `bytes`, unsigned. [1950] 9 */
export function adler32(bytes: Uint8Array): number {
  let a = 1;
  let b = 0;
  for (let at = 0; at < bytes.length;) {
    // 5552 bytes are the most whose sums cannot pass 32 bits before they are reduced.
    for (const end = Math.min(at + 5552, bytes.length); at < end; at++) {
      a += bytes[at]!;
      b += a;
    }
    a %= 65521;
    b %= 65521;
  }
  return b * 0x10000 + a;
}
