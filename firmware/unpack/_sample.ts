/**
 * The content of the packed fixtures of this folder's tests, the same every time.
 * @module
 */

/** A repeatable sequence of 32-bit numbers (Marsaglia's xorshift). */
export function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** 6000 bytes that look like code (calls with small operands), text and runs. */
export function sample(): Uint8Array {
  const next = numbers(0x12345678);
  const bytes: number[] = [];
  const words = ["kernel", "memory", "\0\0\0\0\0\0\0\0", "interrupt ", "\x55\x48\x89\xe5"];
  while (bytes.length < 6000) {
    const choice = next() % 8;
    if (choice < 3) { for (const char of words[next() % words.length]!) bytes.push(char.charCodeAt(0)); }
    else if (choice < 6) bytes.push(0xe8 | next() & 1, next() & 0xff, next() & 3, 0, next() & 1 ? 0xff : 0);
    else if (choice === 6) bytes.push(0xe8, 0xe9, 0xe8, 0xff, 0x00);
    else bytes.push(next() & 0xff);
  }
  return Uint8Array.from(bytes.slice(0, 6000));
}

/** 4000 bytes of little but opcodes and plausible operands: every corner of the x86 filter. */
export function dense(): Uint8Array {
  const next = numbers(0xbc1);
  const alphabet = [0xe8, 0xe9, 0x00, 0xff, 0x00, 0xff, 0x12];
  return Uint8Array.from({ length: 4000 }, () => alphabet[next() % alphabet.length]!);
}

/** Bytes out of base64. */
export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text.replaceAll(/\s/g, "")), (char) => char.charCodeAt(0));
}
