/**
 * Little-endian structures described once: size, offsets, and typed views over bytes.
 *
 * ```ts
 * const REGION = struct("kvm_userspace_memory_region", {
 *   slot: u32, flags: u32, guest_phys_addr: u64, memory_size: u64, userspace_addr: u64,
 * }, { size: 32 });
 * const bytes = REGION.encode({ slot: 1, guest_phys_addr: 0x1000n });
 * REGION.view(bytes).slot; // 1
 * ```
 *
 * Members are laid out as a C compiler for x86-64 does (System V ABI, 3.1.2: each member at a multiple of its own
 * alignment) unless `packed` is asked for, as firmware tables are. A stated size that differs is refused when the
 * description is built.
 * @module
 */

import { alignUp } from "./bits.ts";

/** How one member is stored. */
export interface FieldType<T> {
  readonly size: number;
  readonly alignment: number;
  get(view: DataView, at: number): T;
  set(view: DataView, at: number, value: T): void;
}

type Fields = Readonly<Record<string, FieldType<unknown>>>;
/** The members of a description as a plain record. */
export type Values<F extends Fields> = {
  -readonly [K in keyof F]: F[K] extends FieldType<infer T> ? T : never;
};

/** A structure description. */
export interface Struct<F extends Fields> extends FieldType<Values<F>> {
  readonly name: string;
  readonly offset: { readonly [K in keyof F]: number };
  readonly fields: F;
  /** A live view: reading a member reads the bytes, assigning writes them. */
  view(bytes: ArrayBufferView | ArrayBufferLike, at?: number): Values<F>;
  /** Fresh bytes with the given members set and all others zero. */
  encode(values: Partial<Values<F>>): Uint8Array<ArrayBuffer>;
}

function scalar<T>(
  size: number,
  get: (view: DataView, at: number) => T,
  set: (view: DataView, at: number, value: T) => void,
): FieldType<T> {
  return { size, alignment: size, get, set };
}

export const u8: FieldType<number> = scalar(1, (v, at) => v.getUint8(at), (v, at, x) => v.setUint8(at, x));
export const u16: FieldType<number> = scalar(
  2,
  (v, at) => v.getUint16(at, true),
  (v, at, x) => v.setUint16(at, x, true),
);
export const u32: FieldType<number> = scalar(
  4,
  (v, at) => v.getUint32(at, true),
  (v, at, x) => v.setUint32(at, x, true),
);
export const i32: FieldType<number> = scalar(
  4,
  (v, at) => v.getInt32(at, true),
  (v, at, x) => v.setInt32(at, x, true),
);
export const u64: FieldType<bigint> = scalar(
  8,
  (v, at) => v.getBigUint64(at, true),
  (v, at, x) => v.setBigUint64(at, x, true),
);
export const i64: FieldType<bigint> = scalar(
  8,
  (v, at) => v.getBigInt64(at, true),
  (v, at, x) => v.setBigInt64(at, x, true),
);
/** A 64-bit value below 2^53 as a number: addresses and lengths. Reading a larger one loses its low bits. */
export const addr64: FieldType<number> = scalar(
  8,
  (v, at) => Number(v.getBigUint64(at, true)),
  (v, at, x) => v.setBigUint64(at, BigInt(x), true),
);

/** `length` raw bytes; a shorter value is padded with zeros, a longer one refused. */
export function bytes(length: number): FieldType<Uint8Array> {
  return {
    size: length,
    alignment: 1,
    get: (view, at) => new Uint8Array(view.buffer, view.byteOffset + at, length),
    set: (view, at, value) => {
      if (value.length > length) throw new RangeError(`Cannot store ${value.length} bytes in ${length}`);
      const target = new Uint8Array(view.buffer, view.byteOffset + at, length);
      target.set(value); // before the fill: the value may be a view of these very bytes
      target.fill(0, value.length);
    },
  };
}

/** `length` members of one type. Reading copies; assign an array to write, a shorter one leaves the rest alone. */
export function array<T>(type: FieldType<T>, length: number): FieldType<T[]> {
  return {
    size: type.size * length,
    alignment: type.alignment,
    get: (view, at) => Array.from({ length }, (_, i) => type.get(view, at + i * type.size)),
    set: (view, at, values) => {
      if (values.length > length) throw new RangeError(`Cannot store ${values.length} members in ${length}`);
      values.forEach((value, i) => type.set(view, at + i * type.size, value));
    },
  };
}

/** `type` moved to another alignment than its own. */
export function aligned<T>(type: FieldType<T>, alignment: number): FieldType<T> {
  return { ...type, alignment };
}

/**
 * Describes a structure.
 * @throws {RangeError} when `options.size` is not the size the members add up to.
 */
export function struct<const F extends Fields>(
  name: string,
  fields: F,
  options: { packed?: boolean; size?: number } = {},
): Struct<F> {
  const offsets: Record<string, number> = {};
  let end = 0;
  let alignment = 1;
  for (const [key, type] of Object.entries(fields)) {
    const step = options.packed ? 1 : type.alignment;
    offsets[key] = end = alignUp(end, step);
    end += type.size;
    alignment = Math.max(alignment, step);
  }
  const size = alignUp(end, alignment);
  if (options.size !== undefined && options.size !== size) {
    throw new RangeError(`Cannot lay out ${name}: its members take ${size} bytes, not ${options.size}`);
  }

  // Made at the first view: many descriptions are only asked for offsets.
  let views: (new (data: DataView, at: number) => object) | undefined;
  const viewAt = (data: DataView, at: number) =>
    new (views ??= viewClass(fields, offsets))(data, at) as Values<F>;

  return {
    name,
    size,
    alignment,
    fields,
    offset: offsets as { readonly [K in keyof F]: number },
    get: viewAt,
    set: (data, at, values) => {
      for (const key of Object.keys(fields)) {
        if (key in values) fields[key]!.set(data, at + offsets[key]!, values[key]);
      }
    },
    view: (source, at = 0) => {
      const data = ArrayBuffer.isView(source)
        ? new DataView(source.buffer, source.byteOffset, source.byteLength)
        : new DataView(source);
      if (at < 0 || at + size > data.byteLength) {
        throw new RangeError(
          `Cannot view ${name} at ${at}: ${data.byteLength} bytes do not hold ${size} there`,
        );
      }
      return viewAt(data, at);
    },
    encode: (values) => {
      const result = new Uint8Array(size);
      const data = new DataView(result.buffer);
      for (const key of Object.keys(values)) {
        fields[key]!.set(data, offsets[key]!, values[key]);
      }
      return result;
    },
  };
}

/** A class whose members read and write bytes. */
function viewClass(
  fields: Fields,
  offsets: Readonly<Record<string, number>>,
): new (data: DataView, at: number) => object {
  class View {
    readonly #data: DataView;
    readonly #at: number;
    constructor(data: DataView, at: number) {
      this.#data = data;
      this.#at = at;
    }
    static {
      for (const [key, type] of Object.entries(fields)) {
        const offset = offsets[key]!;
        Object.defineProperty(View.prototype, key, {
          enumerable: true,
          get(this: View) {
            return type.get(this.#data, this.#at + offset);
          },
          set(this: View, value: unknown) {
            type.set(this.#data, this.#at + offset, value);
          },
        });
      }
    }
  }
  return View;
}
