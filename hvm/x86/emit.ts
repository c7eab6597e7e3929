/**
 * The WebAssembly emitter in which instruction semantics are written: modules, functions, locals, memory, control flow.
 *
 * ```ts
 * const module = new WasmModule();
 * const state = module.importMemory("env", "state", { min: 1, max: 1, shared: true });
 * module.func({ name: "double", params: ["i32"], results: ["i32"], exported: true }, (f, [at]) => {
 *   const value = f.let(state.load("i32.load", at));
 *   f.put(state.store("i32.store", at, value.shl(1)));
 *   f.return(value);
 * });
 * const bytes = module.bytes();
 * ```
 *
 * Values are typed ({@linkcode I32}, {@linkcode I64}, ...) and fold over constants; statements are methods of
 * {@linkcode FunctionEmitter} and are encoded at once. Control flow is structured by callbacks, and a label is a value
 * that only `br` takes, so a malformed module cannot be written by mistake; V8's validation is the last word.
 *
 * Sources: [WASM] WebAssembly Core Specification 3.0, 5.4 and 5.5 (binary format).
 * @module
 */

import { I32, i32, type I64, type Value, type ValueClasses, valueOf } from "./emit_value.ts";
import { memoryOperation, type ValueType } from "./wasm_ops.ts";
import { WasmWriter } from "./wasm_writer.ts";

const TYPE_CODE: Record<ValueType, number> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };
const EMPTY_BLOCK = 0x40;
const OPCODE = {
  UNREACHABLE: 0x00,
  BLOCK: 0x02,
  LOOP: 0x03,
  IF: 0x04,
  ELSE: 0x05,
  END: 0x0b,
  BR: 0x0c,
  BR_IF: 0x0d,
  BR_TABLE: 0x0e,
  RETURN: 0x0f,
  CALL: 0x10,
  CALL_INDIRECT: 0x11,
  RETURN_CALL: 0x12,
  DROP: 0x1a,
  LOCAL_GET: 0x20,
  LOCAL_SET: 0x21,
  GLOBAL_GET: 0x23,
  GLOBAL_SET: 0x24,
  PREFIX_MISC: 0xfc,
  PREFIX_ATOMIC: 0xfe,
} as const;

/** What a function takes and gives. */
export interface Signature {
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
}

/** A function of the module, imported or its own. */
export interface FunctionRef extends Signature {
  readonly index: number;
}

/** A structured target of branches. */
export interface Label {
  readonly depth: number;
}

/** A variable of a function. */
export interface Local<T extends ValueType> {
  readonly type: T;
  readonly index: number;
  /** Its value where the expression stands. */
  readonly value: ValueClasses[T];
}

/** A store or other access done for its effect. */
export interface Effect {
  readonly encode: (out: WasmWriter) => void;
}

/** A memory's limits, in pages of 64 KiB. */
export interface MemoryLimits {
  readonly min: number;
  readonly max: number;
  readonly shared?: boolean;
  /** Addresses are 64 bits wide. */
  readonly wide?: boolean;
}

/** A memory: loads are values, stores are effects. */
export class MemoryRef {
  readonly index: number;
  readonly wide: boolean;

  constructor(index: number, wide: boolean) {
    this.index = index;
    this.wide = wide;
  }

  /** A load by the instruction's name; `offset` is added to the address without wrapping. */
  load(name: string, address: I32 | I64, offset = 0): Value {
    const row = memoryOperation(name);
    if (row.result === undefined || row.operands.length > 0) throw new RangeError(`${name} is no plain load`);
    return valueOf(row.result, this.#encoder(name, address, [], offset));
  }

  load8(address: I32 | I64, offset = 0): I32 {
    return this.load("i32.load8_u", address, offset) as I32;
  }

  load16(address: I32 | I64, offset = 0): I32 {
    return this.load("i32.load16_u", address, offset) as I32;
  }

  load32(address: I32 | I64, offset = 0): I32 {
    return this.load("i32.load", address, offset) as I32;
  }

  load64(address: I32 | I64, offset = 0): I64 {
    return this.load("i64.load", address, offset) as I64;
  }

  /** A store by the instruction's name. */
  store(name: string, address: I32 | I64, value: Value, at: { offset?: number; lane?: number } = {}): Effect {
    if (memoryOperation(name).result !== undefined) throw new RangeError(`${name} is no store`);
    return { encode: this.#encoder(name, address, [value], at.offset ?? 0, at.lane) };
  }

  store8(address: I32 | I64, value: I32, offset = 0): Effect {
    return this.store("i32.store8", address, value, { offset });
  }

  store16(address: I32 | I64, value: I32, offset = 0): Effect {
    return this.store("i32.store16", address, value, { offset });
  }

  store32(address: I32 | I64, value: I32, offset = 0): Effect {
    return this.store("i32.store", address, value, { offset });
  }

  store64(address: I32 | I64, value: I64, offset = 0): Effect {
    return this.store("i64.store", address, value, { offset });
  }

  /** An atomic access that gives a value, or a lane load: everything else a row describes. */
  access(
    name: string,
    address: I32 | I64,
    operands: readonly Value[],
    at: { offset?: number; lane?: number } = {},
  ): Value {
    const row = memoryOperation(name);
    if (row.result === undefined) throw new RangeError(`${name} gives no value`);
    return valueOf(row.result, this.#encoder(name, address, operands, at.offset ?? 0, at.lane));
  }

  #encoder(name: string, address: I32 | I64, operands: readonly Value[], offset: number, lane?: number) {
    const row = memoryOperation(name);
    const wanted = [this.wide ? "i64" : "i32", ...row.operands].join();
    const given = [address.type, ...operands.map((operand) => operand.type)].join();
    if (wanted !== given) throw new RangeError(`${name} takes (${wanted}), not (${given})`);
    if (row.lanes > 0 !== (lane !== undefined)) throw new RangeError(`${name} and its lane do not fit`);
    return (out: WasmWriter) => {
      address.encode(out);
      for (const operand of operands) operand.encode(out);
      if (row.prefix !== 0) {
        out.byte(row.prefix);
        out.unsigned(row.code);
      } else {
        out.byte(row.code);
      }
      // Bit 6 of the alignment says that a memory index follows. [WASM] 5.4.7
      out.unsigned(this.index === 0 ? row.align : row.align | 0x40);
      if (this.index !== 0) out.unsigned(this.index);
      out.unsigned(offset);
      if (lane !== undefined) out.byte(lane);
    };
  }
}

/** A global variable. */
export class GlobalRef<T extends ValueType> {
  readonly type: T;
  readonly index: number;

  constructor(type: T, index: number) {
    this.type = type;
    this.index = index;
  }

  get value(): ValueClasses[T] {
    return valueOf(this.type, (out) => {
      out.byte(OPCODE.GLOBAL_GET);
      out.unsigned(this.index);
    });
  }

  set(value: ValueClasses[T]): Effect {
    return {
      encode: (out) => {
        (value as Value).encode(out);
        out.byte(OPCODE.GLOBAL_SET);
        out.unsigned(this.index);
      },
    };
  }
}

/** The body of one function under construction. */
export class FunctionEmitter {
  readonly out = new WasmWriter();
  readonly #module: WasmModule;
  readonly #signature: Signature;
  readonly #locals: ValueType[] = [];
  readonly #free: Record<ValueType, number[]> = { i32: [], i64: [], f32: [], f64: [], v128: [] };
  #scope: { type: ValueType; index: number }[] = [];
  #depth = 0;

  constructor(module: WasmModule, signature: Signature) {
    this.#module = module;
    this.#signature = signature;
  }

  /** A variable; its first value is whatever its slot held, 0 at the start of the function. */
  local<T extends ValueType>(type: T): Local<T> {
    const reused = this.#free[type].pop();
    const index = reused ?? this.#signature.params.length + this.#locals.push(type) - 1;
    this.#scope.push({ type, index });
    return { type, index, value: readLocal(type, index) };
  }

  /** Binds a value to a variable of its own, so that it is computed once. Constants stay as they are. */
  let<V extends Value>(value: V): V {
    if (value.constant !== undefined) return value;
    const local = this.local(value.type);
    this.set(local, value as never);
    return local.value as unknown as V;
  }

  set<T extends ValueType>(local: Local<T>, value: ValueClasses[T]): void {
    (value as Value).encode(this.out);
    this.out.byte(OPCODE.LOCAL_SET);
    this.out.unsigned(local.index);
  }

  /** Variables made inside are free for others after it. */
  scope(body: () => void): void {
    const outer = this.#scope;
    this.#scope = [];
    body();
    for (const { type, index } of this.#scope) this.#free[type].push(index);
    this.#scope = outer;
  }

  /** Does a store, a global's assignment, an atomic access. */
  put(effect: Effect): void {
    effect.encode(this.out);
  }

  /** Evaluates for the effect only. */
  drop(value: Value): void {
    value.encode(this.out);
    this.out.byte(OPCODE.DROP);
  }

  /** A block; a branch to its label leaves it. */
  block(body: (label: Label) => void): void {
    this.#structured(OPCODE.BLOCK, body);
  }

  /** A loop; a branch to its label starts it over, falling out of its end leaves it. */
  loop(body: (label: Label) => void): void {
    this.#structured(OPCODE.LOOP, body);
  }

  /** Code where `condition` is not 0, and code where it is; a constant condition keeps one side only. */
  if(condition: I32, yes: (label?: Label) => void, no?: () => void): void {
    if (condition.known !== undefined) {
      if (condition.known !== 0) this.block((label) => yes(label));
      else no?.();
      return;
    }
    condition.encode(this.out);
    this.#structured(OPCODE.IF, (label) => {
      yes(label);
      if (no !== undefined) {
        this.out.byte(OPCODE.ELSE);
        no();
      }
    });
  }

  br(label: Label): void {
    this.out.byte(OPCODE.BR);
    this.out.unsigned(this.#depth - label.depth);
  }

  brIf(label: Label, condition: I32): void {
    condition.encode(this.out);
    this.out.byte(OPCODE.BR_IF);
    this.out.unsigned(this.#depth - label.depth);
  }

  /** Goes to `labels[index]`, or to `otherwise` past their end. */
  brTable(labels: readonly Label[], otherwise: Label, index: I32): void {
    index.encode(this.out);
    this.out.byte(OPCODE.BR_TABLE);
    this.out.unsigned(labels.length);
    for (const label of labels) this.out.unsigned(this.#depth - label.depth);
    this.out.unsigned(this.#depth - otherwise.depth);
  }

  return(...values: Value[]): void {
    for (const value of values) value.encode(this.out);
    this.out.byte(OPCODE.RETURN);
  }

  unreachable(): void {
    this.out.byte(OPCODE.UNREACHABLE);
  }

  /** A call as a value; for functions of one result. */
  call(target: FunctionRef, ...args: Value[]): Value {
    const result = target.results[0];
    if (result === undefined || target.results.length !== 1) {
      throw new RangeError("The function gives not one value");
    }
    return valueOf(result, callEncoder(target, args));
  }

  /** A call for its effect; results are dropped. */
  run(target: FunctionRef, ...args: Value[]): void {
    callEncoder(target, args)(this.out);
    for (let i = 0; i < target.results.length; i++) this.out.byte(OPCODE.DROP);
  }

  /** A tail call. */
  returnCall(target: FunctionRef, ...args: Value[]): void {
    for (const arg of args) arg.encode(this.out);
    this.out.byte(OPCODE.RETURN_CALL);
    this.out.unsigned(target.index);
  }

  /** A call through table 0 as a value. */
  callIndirect(signature: Signature, index: I32, ...args: Value[]): Value {
    const result = signature.results[0];
    if (result === undefined) throw new RangeError("The function gives no value");
    const type = this.#module.typeIndex(signature);
    return valueOf(result, (out) => {
      for (const arg of args) arg.encode(out);
      index.encode(out);
      out.byte(OPCODE.CALL_INDIRECT);
      out.unsigned(type);
      out.unsigned(0);
    });
  }

  /** memory.fill: `length` bytes of `byte` at `address`. */
  fill(memory: MemoryRef, address: I32 | I64, byte: I32, length: I32 | I64): void {
    for (const value of [address, byte, length]) value.encode(this.out);
    this.out.byte(OPCODE.PREFIX_MISC);
    this.out.unsigned(11);
    this.out.unsigned(memory.index);
  }

  /** memory.copy between memories of one address width. */
  copy(target: MemoryRef, to: I32 | I64, source: MemoryRef, from: I32 | I64, length: I32 | I64): void {
    for (const value of [to, from, length]) value.encode(this.out);
    this.out.byte(OPCODE.PREFIX_MISC);
    this.out.unsigned(10);
    this.out.unsigned(target.index);
    this.out.unsigned(source.index);
  }

  /** atomic.fence */
  fence(): void {
    this.out.byte(OPCODE.PREFIX_ATOMIC);
    this.out.unsigned(3);
    this.out.byte(0);
  }

  /** The function's code as the code section holds it. */
  encoded(): Uint8Array<ArrayBuffer> {
    const body = new WasmWriter();
    const groups: { type: ValueType; count: number }[] = [];
    for (const type of this.#locals) {
      const last = groups.at(-1);
      if (last?.type === type) last.count++;
      else groups.push({ type, count: 1 });
    }
    body.unsigned(groups.length);
    for (const { type, count } of groups) {
      body.unsigned(count);
      body.byte(TYPE_CODE[type]);
    }
    body.bytes(this.out.result());
    body.byte(OPCODE.END);
    return body.result();
  }

  #structured(opcode: number, body: (label: Label) => void): void {
    this.out.byte(opcode);
    this.out.byte(EMPTY_BLOCK);
    this.#depth++;
    body({ depth: this.#depth });
    this.#depth--;
    this.out.byte(OPCODE.END);
  }
}

function readLocal<T extends ValueType>(type: T, index: number): ValueClasses[T] {
  return valueOf(type, (out) => {
    out.byte(OPCODE.LOCAL_GET);
    out.unsigned(index);
  });
}

function callEncoder(target: FunctionRef, args: readonly Value[]) {
  const given = args.map((arg) => arg.type).join();
  if (given !== target.params.join()) {
    throw new RangeError(`The function takes (${target.params}), not (${given})`);
  }
  return (out: WasmWriter) => {
    for (const arg of args) arg.encode(out);
    out.byte(OPCODE.CALL);
    out.unsigned(target.index);
  };
}

interface Import {
  readonly module: string;
  readonly name: string;
  readonly encode: (out: WasmWriter) => void;
}

/** One module under construction. Imports come before anything of its own of the same kind. */
export class WasmModule {
  readonly #types: string[] = [];
  readonly #signatures: Signature[] = [];
  readonly #imports: Import[] = [];
  readonly #functions: { type: number; name: string; emitter: FunctionEmitter | undefined }[] = [];
  readonly #memories: MemoryLimits[] = [];
  readonly #globals: { type: ValueType; initial: Value }[] = [];
  readonly #exports: { name: string; kind: number; index: number }[] = [];
  readonly #elements: FunctionRef[] = [];
  #importedFunctions = 0;
  #importedMemories = 0;
  #importedGlobals = 0;

  /** A function of the outside. */
  importFunc(module: string, name: string, params: ValueType[], results: ValueType[]): FunctionRef {
    if (this.#functions.length > 0) throw new RangeError("Imports come before functions");
    const type = this.typeIndex({ params, results });
    this.#imports.push({
      module,
      name,
      encode: (out) => {
        out.byte(0);
        out.unsigned(type);
      },
    });
    return { index: this.#importedFunctions++, params, results };
  }

  importMemory(module: string, name: string, limits: MemoryLimits): MemoryRef {
    if (this.#memories.length > 0) throw new RangeError("Imports come before memories");
    this.#imports.push({
      module,
      name,
      encode: (out) => {
        out.byte(2);
        encodeLimits(out, limits);
      },
    });
    return new MemoryRef(this.#importedMemories++, limits.wide ?? false);
  }

  memory(limits: MemoryLimits, exported?: string): MemoryRef {
    const index = this.#importedMemories + this.#memories.push(limits) - 1;
    if (exported !== undefined) this.#exports.push({ name: exported, kind: 2, index });
    return new MemoryRef(index, limits.wide ?? false);
  }

  importGlobal<T extends ValueType>(module: string, name: string, type: T): GlobalRef<T> {
    if (this.#globals.length > 0) throw new RangeError("Imports come before globals");
    this.#imports.push({
      module,
      name,
      encode: (out) => {
        out.byte(3);
        out.byte(TYPE_CODE[type]);
        out.byte(1);
      },
    });
    return new GlobalRef(type, this.#importedGlobals++);
  }

  /** A variable of the module's own; `initial` is a constant. */
  global<T extends ValueType>(type: T, initial: ValueClasses[T], exported?: string): GlobalRef<T> {
    const index = this.#importedGlobals + this.#globals.push({ type, initial: initial as Value }) - 1;
    if (exported !== undefined) this.#exports.push({ name: exported, kind: 3, index });
    return new GlobalRef(type, index);
  }

  /**
   * Names a function before its body is known, for calls in a circle; give the body with {@linkcode WasmModule.define}.
   */
  declare(
    options: { name: string; params: ValueType[]; results: ValueType[]; exported?: boolean },
  ): FunctionRef {
    const { name, params, results } = options;
    const type = this.typeIndex({ params, results });
    const index = this.#importedFunctions + this.#functions.push({ type, name, emitter: undefined }) - 1;
    if (options.exported) this.#exports.push({ name, kind: 0, index });
    return { index, params, results };
  }

  /** Gives a declared function its body; the callback gets its parameters as values. */
  define(ref: FunctionRef, body: (f: FunctionEmitter, params: Value[]) => void): void {
    const own = this.#functions[ref.index - this.#importedFunctions];
    if (own === undefined || own.emitter !== undefined) {
      throw new RangeError("The function has a body already");
    }
    const emitter = new FunctionEmitter(this, ref);
    own.emitter = emitter;
    body(emitter, ref.params.map((type, i) => readLocal(type, i)));
  }

  /** {@linkcode WasmModule.declare} and {@linkcode WasmModule.define} in one. */
  func(
    options: { name: string; params: ValueType[]; results: ValueType[]; exported?: boolean },
    body: (f: FunctionEmitter, params: Value[]) => void,
  ): FunctionRef {
    const ref = this.declare(options);
    this.define(ref, body);
    return ref;
  }

  /** Puts functions into table 0 from index 0 on. */
  table(functions: readonly FunctionRef[]): void {
    this.#elements.push(...functions);
  }

  /** The number of a signature among the module's types. */
  typeIndex(signature: Signature): number {
    const key = `${signature.params}>${signature.results}`;
    const found = this.#types.indexOf(key);
    if (found >= 0) return found;
    this.#signatures.push(signature);
    return this.#types.push(key) - 1;
  }

  /** The module in binary form, with names for tools and stack traces. */
  bytes(): Uint8Array<ArrayBuffer> {
    const out = new WasmWriter();
    out.bytes(Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00));
    section(out, 1, this.#signatures, ({ params, results }, s) => {
      s.byte(0x60);
      for (const list of [params, results]) {
        s.unsigned(list.length);
        for (const type of list) s.byte(TYPE_CODE[type]);
      }
    });
    section(out, 2, this.#imports, ({ module, name, encode }, s) => {
      s.name(module);
      s.name(name);
      encode(s);
    });
    section(out, 3, this.#functions, ({ type }, s) => s.unsigned(type));
    section(out, 4, this.#elements.length > 0 ? [this.#elements.length] : [], (count, s) => {
      s.byte(0x70);
      s.byte(0x00);
      s.unsigned(count);
    });
    section(out, 5, this.#memories, (limits, s) => encodeLimits(s, limits));
    section(out, 6, this.#globals, ({ type, initial }, s) => {
      s.byte(TYPE_CODE[type]);
      s.byte(1);
      initial.encode(s);
      s.byte(OPCODE.END);
    });
    section(out, 7, this.#exports, ({ name, kind, index }, s) => {
      s.name(name);
      s.byte(kind);
      s.unsigned(index);
    });
    section(out, 9, this.#elements.length > 0 ? [this.#elements] : [], (elements, s) => {
      s.byte(0x00);
      i32(0).encode(s);
      s.byte(OPCODE.END);
      s.unsigned(elements.length);
      for (const { index } of elements) s.unsigned(index);
    });
    section(out, 10, this.#functions, ({ emitter, name }, s) => {
      if (emitter === undefined) throw new RangeError(`Function ${name} has no body`);
      s.sized(emitter.encoded());
    });
    this.#nameSection(out);
    return out.result();
  }

  #nameSection(out: WasmWriter): void {
    const names = new WasmWriter();
    names.unsigned(this.#functions.length);
    this.#functions.forEach(({ name }, i) => {
      names.unsigned(this.#importedFunctions + i);
      names.name(name);
    });
    const custom = new WasmWriter();
    custom.name("name");
    custom.byte(1);
    custom.sized(names.result());
    out.byte(0);
    out.sized(custom.result());
  }
}

function section<T>(
  out: WasmWriter,
  id: number,
  entries: readonly T[],
  encode: (entry: T, out: WasmWriter) => void,
): void {
  if (entries.length === 0) return;
  const content = new WasmWriter();
  content.unsigned(entries.length);
  for (const entry of entries) encode(entry, content);
  out.byte(id);
  out.sized(content.result());
}

function encodeLimits(out: WasmWriter, { min, max, shared, wide }: MemoryLimits): void {
  out.byte(0x01 | (shared ? 0x02 : 0) | (wide ? 0x04 : 0));
  out.unsigned(min);
  out.unsigned(max);
}
