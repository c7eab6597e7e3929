/**
 * Encodes AML: names, data, control flow, named objects. A term is its bytes; a function per grammar rule makes one.
 *
 * Sources: [ACPI] Advanced Configuration and Power Interface Specification 6.5, chapter 20 (grammar and opcodes).
 * @module
 */

import { ascii, join, littleEndian } from "./_bytes.ts";

/** The encoding of one AML term. */
export type Term = Uint8Array;

/** Opcodes used here; those with the extension prefix have it in their high byte. [ACPI] table 20.2 */
const OP = {
  ZERO: 0x00,
  ONE: 0x01,
  NAME: 0x08,
  BYTE: 0x0a,
  WORD: 0x0b,
  DWORD: 0x0c,
  STRING: 0x0d,
  QWORD: 0x0e,
  SCOPE: 0x10,
  BUFFER: 0x11,
  PACKAGE: 0x12,
  VAR_PACKAGE: 0x13,
  METHOD: 0x14,
  DUAL_NAME: 0x2e,
  MULTI_NAME: 0x2f,
  EXTENDED: 0x5b,
  LOCAL0: 0x60,
  ARG0: 0x68,
  STORE: 0x70,
  ADD: 0x72,
  SUBTRACT: 0x74,
  SHIFT_LEFT: 0x79,
  SHIFT_RIGHT: 0x7a,
  AND: 0x7b,
  OR: 0x7d,
  XOR: 0x7f,
  NOT: 0x80,
  DEREF_OF: 0x83,
  NOTIFY: 0x86,
  SIZE_OF: 0x87,
  INDEX: 0x88,
  CREATE_DWORD_FIELD: 0x8a,
  CREATE_WORD_FIELD: 0x8b,
  CREATE_BYTE_FIELD: 0x8c,
  CREATE_QWORD_FIELD: 0x8f,
  LAND: 0x90,
  LOR: 0x91,
  LNOT: 0x92,
  LEQUAL: 0x93,
  LGREATER: 0x94,
  LLESS: 0x95,
  IF: 0xa0,
  ELSE: 0xa1,
  WHILE: 0xa2,
  RETURN: 0xa4,
  ONES: 0xff,
} as const;

/** Opcodes after the extension prefix 5Bh. [ACPI] table 20.2 */
const EXT = { MUTEX: 0x01, ACQUIRE: 0x23, RELEASE: 0x27, REGION: 0x80, FIELD: 0x81, DEVICE: 0x82 } as const;

/** Address spaces of operation regions. [ACPI] 20.2.5.2, RegionSpace */
export const REGION_SPACE = { SYSTEM_MEMORY: 0, SYSTEM_IO: 1, PCI_CONFIG: 2 } as const;

/** How wide the accesses to a field are. [ACPI] 20.2.5.2, FieldFlags bits 0 to 3 */
export const FIELD_ACCESS = { ANY: 0, BYTE: 1, WORD: 2, DWORD: 3, QWORD: 4 } as const;

const LOCK_RULE = 1 << 4;
const METHOD_SERIALIZED = 1 << 3;
const ALL_ONES = 0xffff_ffff_ffff_ffffn;

/** Bytes an encoded package length can say at most: 28 bits. [ACPI] 20.2.4 */
const PACKAGE_LIMIT = 2 ** 28;

/**
 * A package length followed by `content`; the length counts its own bytes. [ACPI] 20.2.4
 * @throws {RangeError} past 2^28 - 1 bytes.
 */
export function packageLength(content: Uint8Array): Term {
  if (content.length + 1 < 64) return join(content.length + 1, content);
  for (const extra of [1, 2, 3]) {
    const total = content.length + 1 + extra;
    if (total >= 2 ** (4 + 8 * extra)) continue;
    const rest = littleEndian(Math.floor(total / 16), 4).slice(0, extra);
    return join(extra << 6 | total % 16, rest, content);
  }
  throw new RangeError(
    `Cannot encode an AML package of ${content.length} bytes: the limit is ${PACKAGE_LIMIT}`,
  );
}

/** One name segment, filled to four characters with `_`. @throws {RangeError} for another form. [ACPI] 20.2.2 */
export function nameSegment(segment: string): Term {
  if (!/^[A-Z_][A-Z0-9_]{0,3}$/.test(segment)) {
    throw new RangeError(`Cannot use ${JSON.stringify(segment)} as an AML name`);
  }
  return ascii(segment.padEnd(4, "_"));
}

/** A name string as ASL writes it: `\_SB.PCI0`, `^PRQ0`, `LNKA`, or `\`. [ACPI] 20.2.2 */
export function path(text: string): Term {
  const prefix = /^(\\|\^*)/.exec(text)?.[0] ?? "";
  const rest = text.slice(prefix.length);
  if (rest === "") {
    if (prefix === "") throw new RangeError("Cannot use an empty AML name");
    return join(ascii(prefix), 0);
  }
  const segments = rest.split(".").map(nameSegment);
  const [first = new Uint8Array(0)] = segments;
  if (segments.length === 1) return join(ascii(prefix), first);
  if (segments.length === 2) return join(ascii(prefix), OP.DUAL_NAME, ...segments);
  if (segments.length > 255) throw new RangeError("Cannot use an AML name of more than 255 segments");
  return join(ascii(prefix), OP.MULTI_NAME, segments.length, ...segments);
}

/** An integer in its shortest form. @param value 0 to 2^64 - 1 */
export function integer(value: number | bigint): Term {
  // Nearly all are small, and this is on the way to the start of every guest.
  if (typeof value === "number" && value > 1 && value <= 0xffff && Number.isInteger(value)) {
    return value <= 0xff ? Uint8Array.of(OP.BYTE, value) : Uint8Array.of(OP.WORD, value & 0xff, value >> 8);
  }
  const whole = BigInt(value);
  if (whole === 0n) return join(OP.ZERO);
  if (whole === 1n) return join(OP.ONE);
  if (whole === ALL_ONES) return join(OP.ONES);
  if (whole <= 0xffn) return join(OP.BYTE, littleEndian(whole, 1));
  if (whole <= 0xffffn) return join(OP.WORD, littleEndian(whole, 2));
  if (whole <= 0xffff_ffffn) return join(OP.DWORD, littleEndian(whole, 4));
  return join(OP.QWORD, littleEndian(whole, 8));
}

/** A string of ASCII characters. */
export function string(text: string): Term {
  return join(OP.STRING, ascii(text), 0);
}

/** A buffer that holds `content`. */
export function buffer(content: Uint8Array): Term {
  return join(OP.BUFFER, packageLength(join(integer(content.length), content)));
}

/** A package; more than 255 elements need the variable form. */
export function pack(...elements: readonly Term[]): Term {
  return elements.length < 256
    ? join(OP.PACKAGE, packageLength(join(elements.length, ...elements)))
    : join(OP.VAR_PACKAGE, packageLength(join(integer(elements.length), ...elements)));
}

/** `Name (PATH, value)` */
export function name(at: string, value: Term): Term {
  return join(OP.NAME, path(at), value);
}

/** `Scope (PATH) { ... }` */
export function scope(at: string, ...terms: readonly Term[]): Term {
  return join(OP.SCOPE, packageLength(join(path(at), ...terms)));
}

/** `Device (PATH) { ... }` */
export function device(at: string, ...terms: readonly Term[]): Term {
  return join(OP.EXTENDED, EXT.DEVICE, packageLength(join(path(at), ...terms)));
}

/** `Method (PATH, args, serialized) { ... }`; `args` 0 to 7. Methods that create names must be serialized. */
export function method(
  at: string,
  options: { args?: number; serialized?: boolean },
  ...terms: readonly Term[]
): Term {
  const args = options.args ?? 0;
  if (!(args >= 0 && args <= 7)) throw new RangeError(`Cannot encode a method of ${args} arguments`);
  const flags = args | (options.serialized ? METHOD_SERIALIZED : 0);
  return join(OP.METHOD, packageLength(join(path(at), flags, ...terms)));
}

/** `OperationRegion (NAME, space, offset, length)`; `space` is one of {@linkcode REGION_SPACE}. */
export function operationRegion(at: string, space: number, offset: number | bigint, length: number): Term {
  return join(OP.EXTENDED, EXT.REGION, path(at), space, integer(offset), integer(length));
}

/** A named run of bits, or bits without a name. */
export type FieldElement = { readonly name: string; readonly bits: number } | { readonly skip: number };

/** `Field (REGION, access, lock, Preserve) { ... }`; `access` is one of {@linkcode FIELD_ACCESS}. */
export function field(
  region: string,
  options: { access: number; lock?: boolean },
  ...elements: readonly FieldElement[]
): Term {
  const list = elements.map((element) =>
    "name" in element
      ? join(nameSegment(element.name), bitCount(element.bits))
      : join(0, bitCount(element.skip))
  );
  const flags = options.access | (options.lock ? LOCK_RULE : 0);
  return join(OP.EXTENDED, EXT.FIELD, packageLength(join(path(region), flags, ...list)));
}

/** The length of a field element: the form of a package length, but counting bits and not itself. [ACPI] 20.2.5.2 */
function bitCount(bits: number): Term {
  if (bits < 64) return join(bits);
  for (const extra of [1, 2, 3]) {
    if (bits >= 2 ** (4 + 8 * extra)) continue;
    return join(extra << 6 | bits % 16, littleEndian(Math.floor(bits / 16), 4).slice(0, extra));
  }
  throw new RangeError(`Cannot encode a field of ${bits} bits`);
}

/** `CreateByteField`, `CreateWordField`, `CreateDWordField` or `CreateQWordField` by size in bytes. */
export function createField(size: 1 | 2 | 4 | 8, source: Term, byteIndex: number | Term, at: string): Term {
  const opcode = {
    1: OP.CREATE_BYTE_FIELD,
    2: OP.CREATE_WORD_FIELD,
    4: OP.CREATE_DWORD_FIELD,
    8: OP.CREATE_QWORD_FIELD,
  }[size];
  return join(opcode, source, typeof byteIndex === "number" ? integer(byteIndex) : byteIndex, path(at));
}

/** `Mutex (NAME, level)`; `level` 0 to 15. */
export function mutex(at: string, level: number): Term {
  return join(OP.EXTENDED, EXT.MUTEX, path(at), level);
}

/** `Acquire (MUTEX, timeout)`; 0xFFFF waits for ever. */
export function acquire(at: string, timeoutMs: number): Term {
  return join(OP.EXTENDED, EXT.ACQUIRE, path(at), littleEndian(timeoutMs, 2));
}

/** `Release (MUTEX)` */
export function release(at: string): Term {
  return join(OP.EXTENDED, EXT.RELEASE, path(at));
}

/** `Local0` to `Local7`. */
export function local(index: number): Term {
  if (!(index >= 0 && index <= 7)) throw new RangeError(`Cannot encode Local${index}`);
  return join(OP.LOCAL0 + index);
}

/** `Arg0` to `Arg6`. */
export function arg(index: number): Term {
  if (!(index >= 0 && index <= 6)) throw new RangeError(`Cannot encode Arg${index}`);
  return join(OP.ARG0 + index);
}

/** No target: the result is used, not stored. [ACPI] 20.2.5.4, NullName */
export const NOWHERE: Term = join(0);

/** A call of a method. */
export function call(at: string, ...args: readonly Term[]): Term {
  return join(path(at), ...args);
}

/** `Store (value, target)` */
export function store(value: Term, target: Term): Term {
  return join(OP.STORE, value, target);
}

/** `Return (value)` */
export function returns(value: Term): Term {
  return join(OP.RETURN, value);
}

/** `If (predicate) { ... } Else { ... }`; no else part when `otherwise` is empty. */
export function ifThen(predicate: Term, then: readonly Term[], otherwise: readonly Term[] = []): Term {
  const head = join(OP.IF, packageLength(join(predicate, ...then)));
  return otherwise.length === 0 ? head : join(head, OP.ELSE, packageLength(join(...otherwise)));
}

/** `While (predicate) { ... }` */
export function whileDo(predicate: Term, ...terms: readonly Term[]): Term {
  return join(OP.WHILE, packageLength(join(predicate, ...terms)));
}

/** `Notify (object, value)` */
export function notify(at: string, value: number): Term {
  return join(OP.NOTIFY, path(at), integer(value));
}

type Binary = (left: Term, right: Term, target?: Term) => Term;
type Comparison = (left: Term, right: Term) => Term;

function binary(opcode: number): Binary {
  return (left, right, target = NOWHERE) => join(opcode, left, right, target);
}

function comparison(opcode: number): Comparison {
  return (left, right) => join(opcode, left, right);
}

export const add: Binary = binary(OP.ADD);
export const subtract: Binary = binary(OP.SUBTRACT);
export const shiftLeft: Binary = binary(OP.SHIFT_LEFT);
export const shiftRight: Binary = binary(OP.SHIFT_RIGHT);
export const and: Binary = binary(OP.AND);
export const or: Binary = binary(OP.OR);
export const xor: Binary = binary(OP.XOR);
/** `Index (container, position, target)` */
export const index: Binary = binary(OP.INDEX);

export const logicalAnd: Comparison = comparison(OP.LAND);
export const logicalOr: Comparison = comparison(OP.LOR);
export const equal: Comparison = comparison(OP.LEQUAL);
export const greater: Comparison = comparison(OP.LGREATER);
export const less: Comparison = comparison(OP.LLESS);

/** `LNot (value)` */
export function logicalNot(value: Term): Term {
  return join(OP.LNOT, value);
}

/** `Not (value, target)` */
export function not(value: Term, target: Term = NOWHERE): Term {
  return join(OP.NOT, value, target);
}

/** `DerefOf (reference)` */
export function derefOf(reference: Term): Term {
  return join(OP.DEREF_OF, reference);
}

/** `SizeOf (object)` */
export function sizeOf(object: Term): Term {
  return join(OP.SIZE_OF, object);
}
