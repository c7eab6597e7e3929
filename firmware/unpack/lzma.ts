/**
 * The LZMA decoder, for .lzma files and for the chunks of LZMA2.
 *
 * The output buffer is the dictionary: nothing is copied through a window. The range decoder's variables live in
 * locals of one long function, since fields cost a third of the speed.
 *
 * Sources: [LZMA] LZMA specification (7-Zip SDK, lzma-specification.txt); [XZ] The .xz file format, 5.3.1.
 * @module
 */

import { ImageError } from "../../hvm/base/errors.ts";

/** Literal context bits, literal position bits, position bits. [LZMA] "LZMA properties" */
export interface LzmaProperties {
  readonly lc: number;
  readonly lp: number;
  readonly pb: number;
}

/** Where each probability table starts in the one array that holds them all. [LZMA] "Main loop" */
const PROBS = {
  IS_MATCH: 0, // 12 states x 16 position states
  IS_REP: 192,
  IS_REP0: 204,
  IS_REP1: 216,
  IS_REP2: 228,
  IS_REP0_LONG: 240, // 12 x 16
  SLOT: 432, // 4 trees of 64
  SPECIAL: 688, // slots 4 to 13, reverse trees, 115 used
  ALIGN: 804, // reverse tree of 16
  MATCH_LENGTH: 820, // choice, choice2, 16 low trees of 8, 16 mid trees of 8, high tree of 256
  REP_LENGTH: 1334,
  LITERAL: 1848,
} as const;
/** Within a length coder. */
const LENGTH = { CHOICE: 0, CHOICE2: 1, LOW: 2, MID: 130, HIGH: 258 } as const;

const HALF = 1024; // of the 11-bit probabilities
const MOVE_BITS = 5;
const TOP = 2 ** 24;

/** Whether a stream holds an end marker. [LZMA] "Properties of the end marker" */
export type EndMarker = "none" | "optional" | "required";

/** Reads the properties byte. Undefined when it is out of range. [LZMA] */
export function propertiesOf(byte: number): LzmaProperties | undefined {
  if (byte >= 9 * 5 * 5) return undefined;
  return { lc: byte % 9, lp: Math.floor(byte / 9) % 5, pb: Math.floor(byte / 45) };
}

/** One LZMA state: probabilities, recent distances, and where the next byte goes. */
export class LzmaDecoder {
  readonly output: Uint8Array;
  /** Where the next byte goes. */
  at = 0;
  /** Matches may not reach back further than this offset. */
  dictionaryStart = 0;
  #properties: LzmaProperties = { lc: 0, lp: 0, pb: 0 };
  #probs = new Uint16Array(0);
  #state = 0;
  readonly #distances = new Uint32Array(4);

  constructor(output: Uint8Array) {
    this.output = output;
  }

  /** Takes new properties and starts from the initial state. */
  setProperties(properties: LzmaProperties): void {
    this.#properties = properties;
    const size = PROBS.LITERAL + (0x300 << properties.lc + properties.lp);
    if (this.#probs.length !== size) this.#probs = new Uint16Array(size);
    this.resetState();
  }

  /** Back to the initial state, with the same properties. */
  resetState(): void {
    this.#probs.fill(HALF);
    this.#state = 0;
    this.#distances.fill(0);
  }

  /**
   * Decodes from `input` until `limit` bytes of output are there.
   * @param input The range-coded bytes, its five initial ones included; reads past its end give zeros.
   * @param limit The output offset to stop at.
   * @param marker Whether an end marker stops it too.
   * @returns the input bytes used.
   * @throws {ImageError} when the stream is damaged.
   */
  run(input: Uint8Array, limit: number, marker: EndMarker = "none"): number {
    const output = this.output;
    const probs = this.#probs;
    const { lc, lp, pb } = this.#properties;
    const lpMask = (1 << lp) - 1;
    const pbMask = (1 << pb) - 1;
    const start = this.dictionaryStart;
    const end = input.length;
    let to = this.at;
    let state = this.#state;
    let rep0 = this.#distances[0]!;
    let rep1 = this.#distances[1]!;
    let rep2 = this.#distances[2]!;
    let rep3 = this.#distances[3]!;
    if (end < 5 || input[0] !== 0) throw damaged("starts wrongly");
    let range = 0xffffffff;
    let code = (input[1]! << 24 | input[2]! << 16 | input[3]! << 8 | input[4]!) >>> 0;
    let from = 5;

    /** Decodes one bit with the adaptive probability at `index`. */
    const bit = (index: number): number => {
      if (range < TOP) {
        range = range << 8 >>> 0;
        code = (code << 8 | input[from++]!) >>> 0;
      }
      const p = probs[index]!;
      const bound = (range >>> 11) * p;
      if (code < bound) {
        range = bound;
        probs[index] = p + (2048 - p >>> MOVE_BITS);
        return 0;
      }
      range -= bound;
      code -= bound;
      probs[index] = p - (p >>> MOVE_BITS);
      return 1;
    };
    const tree = (base: number, bits: number): number => {
      let node = 1;
      for (let i = 0; i < bits; i++) node = node << 1 | bit(base + node);
      return node - (1 << bits);
    };
    const reverseTree = (base: number, bits: number): number => {
      let node = 1;
      let value = 0;
      for (let i = 0; i < bits; i++) {
        const b = bit(base + node);
        node = node << 1 | b;
        value |= b << i;
      }
      return value;
    };
    const length = (base: number, posState: number): number => {
      if (bit(base + LENGTH.CHOICE) === 0) return 2 + tree(base + LENGTH.LOW + posState * 8, 3);
      if (bit(base + LENGTH.CHOICE2) === 0) return 10 + tree(base + LENGTH.MID + posState * 8, 3);
      return 18 + tree(base + LENGTH.HIGH, 8);
    };

    while (true) {
      if (from > end) throw damaged("ends early");
      if (to >= limit) {
        // The decoder normalises once more before it may stop. [LZMA] "Range decoder"
        if (range < TOP) {
          range = range << 8 >>> 0;
          code = (code << 8 | input[from++]!) >>> 0;
        }
        if (marker === "none" || marker === "optional" && code === 0) break;
      }
      const posState = (to - start) & pbMask;
      if (bit(PROBS.IS_MATCH + state * 16 + posState) === 0) {
        if (to >= limit) throw damaged("gives more than it should");
        const previous = to > start ? output[to - 1]! : 0;
        const base = PROBS.LITERAL + 0x300 * ((((to - start) & lpMask) << lc) + (previous >>> 8 - lc));
        let node = 1;
        if (state >= 7) {
          let match = output[to - rep0 - 1]!;
          do {
            const matchBit = match >>> 7;
            match = match << 1 & 0xff;
            const b = bit(base + (1 + matchBit << 8) + node);
            node = node << 1 | b;
            if (matchBit !== b) break;
          } while (node < 0x100);
        }
        while (node < 0x100) node = node << 1 | bit(base + node);
        output[to++] = node;
        state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
        continue;
      }
      let count: number;
      if (bit(PROBS.IS_REP + state) === 0) {
        rep3 = rep2;
        rep2 = rep1;
        rep1 = rep0;
        count = length(PROBS.MATCH_LENGTH, posState);
        state = state < 7 ? 7 : 10;
        const slot = tree(PROBS.SLOT + Math.min(count - 2, 3) * 64, 6);
        if (slot < 4) {
          rep0 = slot;
        } else if (slot < 14) {
          const bits = (slot >>> 1) - 1;
          rep0 = (2 | slot & 1) << bits;
          rep0 += reverseTree(PROBS.SPECIAL + rep0 - slot, bits);
        } else {
          let direct = 0;
          for (let i = (slot >>> 1) - 5; i > 0; i--) {
            if (range < TOP) {
              range = range << 8 >>> 0;
              code = (code << 8 | input[from++]!) >>> 0;
            }
            range >>>= 1;
            const b = code >= range ? 1 : 0;
            if (b) code -= range;
            direct = direct << 1 | b;
          }
          rep0 = ((2 | slot & 1) << (slot >>> 1) - 1) + (direct << 4) + reverseTree(PROBS.ALIGN, 4) >>> 0;
          if (rep0 === 0xffffffff) {
            if (marker === "none") throw damaged("has an end marker where there is none");
            break;
          }
        }
      } else {
        if (to === start) throw damaged("refers to data before its start");
        if (bit(PROBS.IS_REP0 + state) === 0) {
          if (bit(PROBS.IS_REP0_LONG + state * 16 + posState) === 0) {
            if (rep0 >= to - start) throw damaged("refers to data before its start");
            if (to >= limit) throw damaged("gives more than it should");
            output[to] = output[to - rep0 - 1]!;
            to++;
            state = state < 7 ? 9 : 11;
            continue;
          }
        } else {
          let distance: number;
          if (bit(PROBS.IS_REP1 + state) === 0) {
            distance = rep1;
          } else {
            if (bit(PROBS.IS_REP2 + state) === 0) {
              distance = rep2;
            } else {
              distance = rep3;
              rep3 = rep2;
            }
            rep2 = rep1;
          }
          rep1 = rep0;
          rep0 = distance;
        }
        count = length(PROBS.REP_LENGTH, posState);
        state = state < 7 ? 8 : 11;
      }
      if (rep0 >= to - start) throw damaged("refers to data before its start");
      if (count > limit - to) throw damaged("gives more than it should");
      for (const stop = to + count; to < stop; to++) output[to] = output[to - rep0 - 1]!;
    }
    if (range < TOP) code = (code << 8 | input[from++]!) >>> 0;
    if (from > end) throw damaged("ends early");
    if (code !== 0) throw damaged("does not end cleanly");
    this.at = to;
    this.#state = state;
    this.#distances.set([rep0, rep1, rep2, rep3]);
    return from;
  }
}

/** The properties byte, the dictionary size and the size, or all ones for "up to the end marker". [LZMA] */
const ALONE_HEADER = 13;

/**
 * Unpacks a .lzma file.
 * @param limit The most it may unpack to.
 * @param size The size it must unpack to; where it is not given, the header must have it.
 * @throws {ImageError} when the data is damaged or does not give that many bytes.
 */
export function unpackLzma(bytes: Uint8Array, limit: number, size?: number): Uint8Array<ArrayBuffer> {
  if (bytes.length < ALONE_HEADER) throw damaged("ends early");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const properties = propertiesOf(bytes[0]!);
  if (properties === undefined) throw damaged("has properties out of range");
  const low = view.getUint32(5, true);
  const high = view.getUint32(9, true);
  const unknown = low === 0xffffffff && high === 0xffffffff;
  if (!unknown && (high !== 0 || size !== undefined && low !== size)) {
    throw damaged("has a size that is not its own");
  }
  if (unknown && size === undefined) throw new ImageError("The lzma data does not say how large it is");
  const output = new Uint8Array(size ?? checkedSize(low, limit));
  const decoder = new LzmaDecoder(output);
  decoder.setProperties(properties);
  decoder.run(bytes.subarray(ALONE_HEADER), output.length, unknown ? "required" : "optional");
  if (decoder.at !== output.length) throw damaged(`gives ${decoder.at} bytes instead of ${output.length}`);
  return output;
}

function checkedSize(claimed: number, limit: number): number {
  if (claimed > limit) throw damaged("claims to be larger than it can be");
  return claimed;
}

function damaged(how: string): ImageError {
  return new ImageError(`The lzma data is damaged: it ${how}`);
}
