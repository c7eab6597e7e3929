import assert from "node:assert/strict";
import fc from "fast-check";
import wabtModule from "wabt";
import { type FunctionEmitter, type MemoryRef, WasmModule } from "./emit.ts";
import { I32, i32, I64, i64, op, opV, select, shuffle, v128, type Value, valueOf } from "./emit_value.ts";
import { allOperations, type ValueType } from "./wasm_ops.ts";

const FEATURES = {
  threads: true,
  simd: true,
  multi_memory: true,
  memory64: true,
  tail_call: true,
  sat_float_to_int: true,
};

async function text(bytes: Uint8Array): Promise<string> {
  const wabt = await wabtModule();
  const module = wabt.readWasm(bytes, { ...FEATURES, readDebugNames: true });
  try {
    return module.toText({ foldExprs: false, inlineExport: false });
  } finally {
    module.destroy();
  }
}

function instance(module: WasmModule, imports: WebAssembly.Imports = {}): Record<string, CallableFunction> {
  const made = new WebAssembly.Instance(new WebAssembly.Module(module.bytes()), imports);
  return made.exports as Record<string, CallableFunction>;
}

/** One exported function `run` of the given signature. */
function run(
  params: ValueType[],
  results: ValueType[],
  body: (f: FunctionEmitter, params: Value[]) => void,
): CallableFunction {
  const module = new WasmModule();
  module.func({ name: "run", params, results, exported: true }, body);
  return instance(module)["run"]!;
}

function zero(type: ValueType): Value {
  const codes = {
    i32: [0x41, 0],
    i64: [0x42, 0],
    f32: [0x43, 0, 0, 0, 0],
    f64: [0x44, ...new Array(8).fill(0)],
  };
  if (type === "v128") return v128(new Uint8Array(16));
  return valueOf(type, (out) => out.bytes(Uint8Array.from(codes[type])));
}

Deno.test("every pure row is the instruction of its name, as another assembler reads it", async () => {
  const module = new WasmModule();
  const rows = allOperations().pure;
  for (const row of rows) {
    module.func({ name: row.name, params: [], results: [row.result] }, (f) => {
      f.return(op(row.name, row.operands.map(zero), row.lanes > 0 ? row.lanes - 1 : undefined));
    });
  }
  assert.ok(WebAssembly.validate(module.bytes()));
  const functions = (await text(module.bytes())).split("\n  (func ").slice(1);
  assert.equal(functions.length, rows.length);
  rows.forEach((row, i) =>
    assert.match(functions[i]!, new RegExp(`\\n\\s+${row.name.replace(".", "\\.")}[\\s\\n]`))
  );
});

Deno.test("every memory row is the access of its name, on each memory and address width", async () => {
  const rows = allOperations().memory;
  for (const wide of [false, true]) {
    const module = new WasmModule();
    const memories = [0, 1].map(() => module.memory({ min: 1, max: 1, shared: true, wide }));
    const address = () => wide ? i64(16) : i32(16);
    for (const row of rows) {
      for (const memory of memories) emitAccess(module, memory, row.name, address());
    }
    assert.ok(WebAssembly.validate(module.bytes()));
    const functions = (await text(module.bytes())).split("\n  (func ").slice(1);
    assert.equal(functions.length, rows.length * 2);
    rows.forEach((row, i) =>
      assert.ok(functions[i * 2]!.includes(`${row.name} `), `${row.name} in ${functions[i * 2]}`)
    );
  }
});

function emitAccess(module: WasmModule, memory: MemoryRef, name: string, address: I32 | I64): void {
  const row = allOperations().memory.find((other) => other.name === name)!;
  const lane = row.lanes > 0 ? { lane: row.lanes - 1 } : {};
  module.func({ name, params: [], results: row.result === undefined ? [] : [row.result] }, (f) => {
    const operands = row.operands.map(zero);
    if (row.result === undefined) f.put(memory.store(name, address, operands[0]!, { offset: 8, ...lane }));
    else f.return(memory.access(name, address, operands, { offset: 8, ...lane }));
  });
}

const INT_METHODS = [
  "add",
  "sub",
  "mul",
  "and",
  "or",
  "xor",
  "shl",
  "shrU",
  "shrS",
  "rotl",
  "rotr",
  "eq",
  "ne",
  "ltU",
  "ltS",
  "leU",
  "leS",
  "gtU",
  "gtS",
  "geU",
  "geS",
] as const;
const I32_UNARY = ["eqz", "clz", "ctz", "extend8S", "extend16S", "toI64S", "toI64U"] as const;
const I64_UNARY = ["eqz", "extend8S", "extend16S", "extend32S", "toI32"] as const;

Deno.test("folding over constants gives what WebAssembly computes", () => {
  const module = new WasmModule();
  for (const method of INT_METHODS) {
    const wide = /^(eq|ne|lt|le|gt|ge)/.test(method) ? "i32" : "i64";
    module.func(
      { name: `32${method}`, params: ["i32", "i32"], results: ["i32"], exported: true },
      (f, [a, b]) => {
        f.return((a as I32)[method](b as I32));
      },
    );
    module.func(
      { name: `64${method}`, params: ["i64", "i64"], results: [wide], exported: true },
      (f, [a, b]) => {
        f.return((a as I64)[method](b as I64));
      },
    );
  }
  for (const method of I32_UNARY) {
    const result = method.startsWith("to") ? "i64" : "i32";
    module.func({ name: `32${method}`, params: ["i32"], results: [result], exported: true }, (f, [a]) => {
      f.return((a as I32)[method]());
    });
  }
  for (const method of I64_UNARY) {
    const result = method === "eqz" || method === "toI32" ? "i32" : "i64";
    module.func({ name: `64${method}`, params: ["i64"], results: [result], exported: true }, (f, [a]) => {
      f.return((a as I64)[method]());
    });
  }
  const functions = instance(module);
  const edge32 = fc.oneof(
    fc.constantFrom(0, 1, 31, 32, 0x7f, 0x80, 0x7fffffff, 0x80000000, 0xffffffff),
    fc.nat(0xffffffff),
  );
  const edge64 = fc.oneof(
    fc.constantFrom(
      0n,
      1n,
      63n,
      64n,
      0x80n,
      0x80000000n,
      0x7fffffff_ffffffffn,
      1n << 63n,
      0xffffffff_ffffffffn,
    ),
    fc.bigInt(0n, 0xffffffff_ffffffffn),
  );
  const unsigned = (value: number | bigint) =>
    typeof value === "number" ? value >>> 0 : BigInt.asUintN(64, value);
  fc.assert(fc.property(edge32, edge32, edge64, edge64, (a, b, c, d) => {
    for (const method of INT_METHODS) {
      assert.equal(
        i32(a)[method](i32(b)).constant,
        unsigned(functions[`32${method}`]!(a, b)),
        `${method} ${a} ${b}`,
      );
      assert.equal(
        i64(c)[method](i64(d)).constant,
        unsigned(functions[`64${method}`]!(c, d)),
        `${method} ${c} ${d}`,
      );
    }
    for (const method of I32_UNARY) {
      assert.equal(i32(a)[method]().constant, unsigned(functions[`32${method}`]!(a)), `${method} ${a}`);
    }
    for (const method of I64_UNARY) {
      assert.equal(i64(c)[method]().constant, unsigned(functions[`64${method}`]!(c)), `${method} ${c}`);
    }
  }));
});

Deno.test("a neutral operand leaves the expression as it is", () => {
  const x = valueOf("i32", () => {});
  for (const same of [x.add(0), x.sub(0), x.or(0), x.xor(0), x.and(0xffffffff), x.shl(0), x.mul(1)]) {
    assert.equal(same, x);
  }
  assert.notEqual(x.and(0), x);
});

Deno.test("control flow: loops, branches out, tables", () => {
  const sum = run(["i32"], ["i32"], (f, [n]) => {
    const left = f.local("i32");
    const total = f.local("i32");
    f.set(left, n as I32);
    f.block((out) => {
      f.loop((again) => {
        f.brIf(out, left.value.eqz());
        f.set(total, total.value.add(left.value));
        f.set(left, left.value.sub(1));
        f.br(again);
      });
    });
    f.return(total.value);
  });
  assert.equal(sum(10), 55);
  const pick = run(["i32"], ["i32"], (f, [n]) => {
    f.block((otherwise) => {
      f.block((two) => {
        f.block((one) => f.brTable([one, two], otherwise, n as I32));
        f.return(i32(100));
      });
      f.return(i32(200));
    });
    f.return(i32(300));
  });
  assert.deepEqual([pick(0), pick(1), pick(2), pick(-1)], [100, 200, 300, 300]);
});

Deno.test("if keeps only the side a constant condition takes", () => {
  const taken = run(["i32"], ["i32"], (f, [n]) => {
    f.if(n as I32, () => f.return(i32(1)), () => f.return(i32(2)));
    f.unreachable();
  });
  assert.deepEqual([taken(5), taken(0)], [1, 2]);
  const seen: string[] = [];
  run([], [], (f) => {
    f.if(i32(1), () => seen.push("yes"), () => seen.push("no"));
    f.if(i32(0), () => seen.push("yes again"), () => seen.push("no again"));
  });
  assert.deepEqual(seen, ["yes", "no again"]);
});

Deno.test("a scope's variables are used again after it, by their own type only", () => {
  run([], [], (f) => {
    let first = -1;
    f.scope(() => first = f.local("i32").index);
    assert.notEqual(f.local("i64").index, first);
    assert.equal(f.local("i32").index, first);
    assert.notEqual(f.local("i32").index, first);
  });
});

Deno.test("let computes once, and leaves constants alone", () => {
  const module = new WasmModule();
  let calls = 0;
  const tick = module.importFunc("env", "tick", [], ["i32"]);
  module.func({ name: "run", params: [], results: ["i32"], exported: true }, (f) => {
    const value = f.let(f.call(tick) as I32);
    f.return(value.add(value));
  });
  assert.equal(instance(module, { env: { tick: () => ++calls } })["run"]!(), 2);
  assert.equal(calls, 1);
  run([], [], (f) => assert.equal(f.let(i32(5)).known, 5));
});

Deno.test("memories, globals, calls, tables and vectors work together", () => {
  const module = new WasmModule();
  const log = module.importFunc("env", "log", ["i32"], []);
  const state = module.importMemory("env", "state", { min: 1, max: 1, shared: true });
  const ram = module.importMemory("env", "ram", { min: 1, max: 1, shared: true, wide: true });
  const count = module.global("i64", i64(5), "count");
  const twice = module.func(
    { name: "twice", params: ["i32"], results: ["i32"] },
    (f, [x]) => f.return((x as I32).shl(1)),
  );
  module.table([twice]);
  module.func({ name: "run", params: ["i32"], results: ["i32"], exported: true }, (f, [at]) => {
    f.put(state.store32(at as I32, i32(0x01020304), 4));
    f.put(ram.store64((at as I32).toI64U(), i64(-2)));
    f.put(count.set(count.value.add(1)));
    f.run(log, f.callIndirect({ params: ["i32"], results: ["i32"] }, i32(0), i32(21)));
    const lanes = shuffle(
      opV("i32x4.splat", i32(7)),
      v128(new Uint8Array(16)),
      Array.from({ length: 16 }, (_, i) => i),
    );
    f.fill(state, i32(64), i32(0xee), i32(2));
    f.copy(state, i32(68), state, i32(64), i32(1));
    f.fence();
    const sum = select(at as I32, op("i32x4.extract_lane", [lanes], 3) as I32, i32(0));
    f.return(sum.add(state.load8(at as I32, 4)).add(f.call(twice, i32(1)) as I32));
  });
  const seen: number[] = [];
  const stateMemory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const ramMemory = new WebAssembly.Memory(
    { initial: 1n, maximum: 1n, shared: true, address: "i64" } as unknown as WebAssembly.MemoryDescriptor,
  );
  const made = instance(module, {
    env: { log: (x: number) => seen.push(x), state: stateMemory, ram: ramMemory },
  });
  assert.equal(made["run"]!(8), 7 + 4 + 2);
  assert.deepEqual(seen, [42]);
  assert.equal(new BigInt64Array(ramMemory.buffer)[1], -2n);
  assert.deepEqual([...new Uint8Array(stateMemory.buffer, 64, 5)], [0xee, 0xee, 0, 0, 0xee]);
  assert.equal((made["count"] as unknown as WebAssembly.Global).value, 6n);
});

Deno.test("functions may be declared before they are defined and call each other", () => {
  const module = new WasmModule();
  const even = module.declare({ name: "even", params: ["i32"], results: ["i32"], exported: true });
  const odd = module.func({ name: "odd", params: ["i32"], results: ["i32"] }, (f, [n]) => {
    f.if((n as I32).eqz(), () => f.return(i32(0)));
    f.returnCall(even, (n as I32).sub(1));
  });
  module.define(even, (f, [n]) => {
    f.if((n as I32).eqz(), () => f.return(i32(1)));
    f.returnCall(odd, (n as I32).sub(1));
  });
  const { even: isEven } = instance(module);
  assert.deepEqual([isEven!(100_000), isEven!(7)], [1, 0]);
});

Deno.test("mistakes are refused when the module is built", () => {
  assert.throws(() => op("i32.add", [i32(1), i64(1)]), RangeError);
  assert.throws(() => op("i32.nonsense", []), RangeError);
  assert.throws(() => op("i8x16.extract_lane_u", [v128(new Uint8Array(16))], 16), RangeError);
  assert.throws(() => op("i8x16.extract_lane_u", [v128(new Uint8Array(16))]), RangeError);
  const module = new WasmModule();
  const memory = module.memory({ min: 1, max: 1 });
  assert.throws(() => memory.load32(i64(0)), RangeError);
  assert.throws(() => memory.load("i32.store", i32(0)), RangeError);
  module.declare({ name: "empty", params: [], results: [] });
  assert.throws(() => module.bytes(), RangeError);
});
