/**
 * Generates the interpreter: one WebAssembly module with a handler for each form.
 *
 * Its function `run` looks a block up, then goes from record to record. Forms that are executed most are cases of one
 * `br_table`; the others are functions reached through a table, so that `run` stays small enough for V8's optimising
 * compiler. See cpu_memory.ts for what a record is.
 * @module
 */

import type { FunctionEmitter, FunctionRef, Label } from "../../x86/emit.ts";
import { WasmModule } from "../../x86/emit.ts";
import { type I32, i32, type I64, type Value } from "../../x86/emit_value.ts";
import { BRANCH, BranchSem } from "../../x86/exec/branch.ts";
import { ATTR, CPU, JUMP, MODE, PLACE, RECORD, RECORD_FLAG, TLB } from "../../x86/exec/cpu_memory.ts";
import { type Form, Sem, type Semantic, type SemModule } from "../../x86/exec/sem.ts";
import { SEGMENT } from "../../x86/cpu.ts";

/** Handlers that are no form. */
export const HANDLER = {
  /** The block ends before this record's instruction. */
  END: 0,
  /** TypeScript does the instruction. */
  SYSTEM: 1,
  /** Raises vector IMM with the code DISP. */
  FAULT: 2,
  FIRST_FORM: 3,
} as const;

/** A form with what it does, in the order of handlers. */
export interface FormEntry {
  readonly form: Form;
  readonly semantic: Semantic;
}

/** What the module imports beside its memories: all take the record's address first. */
export interface InterpreterImports {
  /** `(p, kind, log2)`: an access whose linear address is at SCRATCH, a value to write 8 bytes behind; answers there. */
  slow(p: number, kind: number, log2: number): void;
  /** `(p, bytes, write)`: probes the linear address at SCRATCH. */
  probe(p: number, bytes: number, write: number): void;
  fault(p: number, vector: number, code: number): void;
  system(p: number): void;
  /** Segment checks of the record's memory operand; the offset is at SCRATCH, and the linear address put there. */
  segment(p: number): void;
  /** `(p, segment, bytes, write)`: checks the offset in a segment at SCRATCH, and puts the linear address there. */
  segmented(p: number, segment: number, bytes: number, write: number): void;
  /** The record of the block at CPU.RIP, 0 to end the run. */
  enter(): number;
  link(p: number): void;
}

/** Kinds of {@linkcode InterpreterImports.slow}. */
export const SLOW = { LOAD: 0, LOAD_FOR_WRITE: 1, STORE: 2 } as const;

/** Whether a form belongs into `run` itself. */
export function isInline({ form, semantic }: FormEntry): boolean {
  if (Object.hasOwn(BRANCH, form.key)) return true;
  if (semantic.hot !== true) return false;
  return form.stack !== 2 && form.osize !== 2;
}

/**
 * The module.
 * @param forms inline ones first; the handler of number n is FIRST_FORM + n.
 */
export function buildInterpreter(
  forms: readonly FormEntry[],
  memory: { statePages: number; ramPages: number; wide: boolean },
): Uint8Array<ArrayBuffer> {
  const module = new WasmModule();
  const pages = memory.statePages;
  const state = module.importMemory("env", "state", { min: pages, max: pages });
  const { ramPages, wide } = memory;
  const ram = module.importMemory("env", "ram", { min: ramPages, max: ramPages, shared: true, wide });
  const imports = {
    slow: module.importFunc("env", "slow", ["i32", "i32", "i32"], []),
    probe: module.importFunc("env", "probe", ["i32", "i32", "i32"], []),
    fault: module.importFunc("env", "fault", ["i32", "i32", "i32"], []),
    system: module.importFunc("env", "system", ["i32"], []),
    segment: module.importFunc("env", "segment", ["i32"], []),
    segmented: module.importFunc("env", "segmented", ["i32", "i32", "i32", "i32"], []),
    enter: module.importFunc("env", "enter", [], ["i32"]),
    link: module.importFunc("env", "link", ["i32"], []),
  };
  const slow = (kind: number, log2: number): FunctionRef =>
    module.func({
      name: `slow${kind}_${log2}`,
      params: kind === SLOW.STORE ? ["i32", "i64", "i64"] : ["i32", "i64"],
      results: kind === SLOW.STORE ? [] : ["i64"],
    }, (f, params) => {
      f.put(state.store64(i32(0), params[1] as I64, CPU.SCRATCH));
      if (kind === SLOW.STORE) f.put(state.store64(i32(0), params[2] as I64, CPU.SCRATCH + 8));
      f.run(imports.slow, params[0] as I32, i32(kind), i32(log2));
      if (kind !== SLOW.STORE) f.return(state.load64(i32(0), CPU.SCRATCH));
    });
  const shared = new Map<string, FunctionRef>();
  const sem: SemModule = {
    module,
    state,
    ram,
    address: addressFunction(module, state, imports.segment),
    segmented: segmentedFunction(module, state, imports.segmented),
    slowLoad: [0, 1, 2, 3].map((n) => slow(SLOW.LOAD, n)),
    slowLoadForWrite: [0, 1, 2, 3].map((n) => slow(SLOW.LOAD_FOR_WRITE, n)),
    slowStore: [0, 1, 2, 3].map((n) => slow(SLOW.STORE, n)),
    probe: module.func(
      { name: "probe", params: ["i32", "i64", "i32", "i32"], results: [] },
      (f, [p, linear, bytes, write]) => {
        f.put(state.store64(i32(0), linear as I64, CPU.SCRATCH));
        f.run(imports.probe, p!, bytes!, write!);
      },
    ),
    fault: imports.fault,
    system: imports.system,
    shared(name, make) {
      let found = shared.get(name);
      if (found === undefined) shared.set(name, found = make());
      return found;
    },
  };
  const inline = forms.filter(isInline);
  const functions = forms.slice(inline.length).map(({ form, semantic }) =>
    module.func({ name: form.key, params: ["i32"], results: ["i32"] }, (f, params) => {
      const p = params[0] as I32;
      semantic.emit(new Sem(sem, f, p, form, () => f.return(i32(1))));
      f.return(i32(0));
    })
  );
  // A table may not be empty: `run` calls through it.
  module.table(
    functions.length > 0 ? functions : [
      module.func({ name: "none", params: ["i32"], results: ["i32"] }, (f) => f.return(i32(0))),
    ],
  );
  const lookup = lookupFunction(module, state, imports.enter);
  module.func({ name: "run", params: [], results: [], exported: true }, (f) => {
    const { enter, fault, system, link } = imports;
    emitRun(f, sem, inline, { enter, lookup, fault, system, link });
  });
  return module.bytes();
}

/** `(p) -> i64`: linear addresses with segment base, address size and limit. */
function addressFunction(
  module: WasmModule,
  state: SemModule["state"],
  segment: FunctionRef,
): FunctionRef {
  return module.func({ name: "address", params: ["i32"], results: ["i64"] }, (f, params) => {
    const p = params[0] as I32;
    const offset = f.local("i64");
    const flags = f.let(state.load8(p, RECORD.FLAGS));
    f.if(flags.and(RECORD_FLAG.ABSOLUTE), () => f.set(offset, state.load64(p, RECORD.IMM)), () => {
      const base = state.load64(state.load8(p, RECORD.BASE));
      const index = state.load64(state.load8(p, RECORD.INDEX));
      const scale = state.load8(p, RECORD.SCALE).and(3).toI64U();
      f.set(offset, base.add(index.shl(scale)).add(state.load("i64.load32_s", p, RECORD.DISP) as I64));
    });
    const size = f.let(state.load8(p, RECORD.SCALE).shrU(2));
    f.if(size.eq(4), () => f.set(offset, offset.value.and(0xffffffffn)));
    f.if(size.eq(2), () => f.set(offset, offset.value.and(0xffffn)));
    const seg = f.let(state.load8(p, RECORD.SEGMENT));
    f.if(state.load32(i32(0), CPU.MODE).and(MODE.CODE).eq(MODE.CODE64), () => {
      f.if(seg.geU(SEGMENT.FS), () => {
        f.return(offset.value.add(state.load64(seg.shl(3), CPU.SEG_BASE)));
      });
      f.return(offset.value);
    });
    const attr = f.let(state.load32(seg.shl(2), CPU.SEG_ATTR));
    const limit = state.load32(seg.shl(2), CPU.SEG_LIMIT).toI64U();
    const last = offset.value.add(state.load8(p, RECORD.SPAN).toI64U());
    f.if(growsUp(attr).and(last.leU(limit.add(1n))).and(last.gtU(offset.value)), () => {
      f.return(offset.value.add(state.load64(seg.shl(3), CPU.SEG_BASE)).and(0xffffffffn));
    });
    f.put(state.store64(i32(0), offset.value, CPU.SCRATCH));
    f.run(segment, p);
    f.return(state.load64(i32(0), CPU.SCRATCH));
  });
}

/** Writable data that grows up, usable. */
function growsUp(attr: I32): I32 {
  const bits = ATTR.UNUSABLE | ATTR.CODE_OR_DATA | ATTR.PRESENT | 0xe;
  return attr.and(bits).eq(ATTR.CODE_OR_DATA | ATTR.PRESENT | 2);
}

/** `(p, segment, offset, bytes, write) -> i64`: linear addresses in any segment. */
function segmentedFunction(
  module: WasmModule,
  state: SemModule["state"],
  segmented: FunctionRef,
): FunctionRef {
  return module.func({
    name: "segmented",
    params: ["i32", "i32", "i64", "i32", "i32"],
    results: ["i64"],
  }, (f, params) => {
    const [p, seg, , bytes, write] = params as [I32, I32, I64, I32, I32];
    const offset = params[2] as I64;
    const base = state.load64(seg.shl(3), CPU.SEG_BASE);
    f.if(state.load32(i32(0), CPU.MODE).and(MODE.CODE).eq(MODE.CODE64), () => {
      f.if(seg.geU(SEGMENT.FS), () => f.return(offset.add(base)));
      f.return(offset);
    });
    const attr = f.let(state.load32(seg.shl(2), CPU.SEG_ATTR));
    const limit = state.load32(seg.shl(2), CPU.SEG_LIMIT).toI64U();
    f.if(growsUp(attr).and(offset.add(bytes.toI64U()).leU(limit.add(1n))), () => {
      f.return(offset.add(base).and(0xffffffffn));
    });
    f.put(state.store64(i32(0), offset, CPU.SCRATCH));
    f.run(segmented, p, seg, bytes, write);
    f.return(state.load64(i32(0), CPU.SCRATCH));
  });
}

/** `() -> p`: the record of the block at CPU.RIP. */
function lookupFunction(module: WasmModule, state: SemModule["state"], enter: FunctionRef): FunctionRef {
  return module.func({ name: "lookup", params: [], results: ["i32"] }, (f) => {
    const rip = f.let(state.load64(i32(0), CPU.RIP));
    const mixed = rip.xor(rip.shrU(12n)).toI32();
    const entry = f.let(mixed.and(PLACE.JUMP_ENTRIES - 1).shl(5).add(PLACE.JUMPS));
    const generation = state.load32(i32(0), CPU.GENERATION);
    f.if(state.load64(entry, JUMP.RIP).eq(rip), () => {
      const record = state.load32(entry, JUMP.RECORD);
      f.if(state.load32(entry, JUMP.GENERATION).eq(generation), () => f.return(record));
      // The page may still be where it was: in 64-bit code RIP is the linear address.
      const index = rip.shrU(12n).toI32().and(TLB.ENTRIES - 1).shl(5);
      const page = f.let(state.load32(i32(0), CPU.TLB_BASE).add(index));
      const same = state.load32(entry, JUMP.MODE).eq(state.load32(i32(0), CPU.MODE))
        .and(state.load64(page, TLB.FETCH).eq(rip.and(-4096n)))
        .and(state.load64(page, TLB.ADDEND).eq(state.load64(entry, JUMP.ADDEND)));
      f.if(same, () => {
        f.put(state.store32(entry, generation, JUMP.GENERATION));
        f.return(record);
      });
    });
    f.return(f.call(enter) as Value);
  });
}

interface RunParts {
  readonly enter: FunctionRef;
  readonly lookup: FunctionRef;
  readonly fault: FunctionRef;
  readonly system: FunctionRef;
  readonly link: FunctionRef;
}

/** The interpreter's loop. */
function emitRun(f: FunctionEmitter, sem: SemModule, inline: readonly FormEntry[], parts: RunParts): void {
  const { state } = sem;
  const p = f.local("i32");
  const limitReached = () => state.load64(i32(0), CPU.RETIRED).geS(state.load64(i32(0), CPU.LIMIT));
  f.block((exit) => {
    f.loop((lookup) => {
      f.brIf(exit, limitReached());
      f.set(p, f.call(parts.lookup) as I32);
      f.brIf(exit, p.value.eqz());
      f.put(state.store64(i32(0), state.load64(i32(0), CPU.RIP), CPU.RIP_BASE));
      f.loop((next) => {
        const advance = () => {
          f.set(p, p.value.add(RECORD.BYTES));
          f.br(next);
        };
        const frame = {
          leave: () => f.br(lookup),
          follow: (link: I32, rip: I64) => {
            f.if(limitReached().eqz(), () => {
              f.put(state.store64(i32(0), rip, CPU.RIP_BASE));
              f.set(p, link);
              f.br(next);
            });
          },
          link: () => f.run(parts.link, p.value),
        };
        const cases: (() => void)[] = [
          () => {
            const place = state.load8(p.value, RECORD.PLACE).toI64U();
            f.put(state.store64(i32(0), state.load64(i32(0), CPU.RETIRED).add(place), CPU.RETIRED));
            const rip = state.load("i64.load32_s", p.value, RECORD.RIP) as I64;
            f.put(state.store64(i32(0), state.load64(i32(0), CPU.RIP_BASE).add(rip), CPU.RIP));
            // A dead block is what the jump cache still has: a live one takes its place.
            f.if(
              state.load8(p.value, RECORD.PLACE).eqz(),
              () => f.brIf(exit, (f.call(parts.enter) as I32).eqz()),
            );
            f.br(lookup);
          },
          () => {
            f.run(parts.system, p.value);
            f.br(lookup);
          },
          () => {
            f.run(
              parts.fault,
              p.value,
              state.load32(p.value, RECORD.IMM),
              state.load32(p.value, RECORD.DISP),
            );
            f.unreachable();
          },
          ...inline.map(({ form, semantic }) => () => {
            semantic.emit(new BranchSem(sem, f, p.value, form, frame));
            advance();
          }),
        ];
        const labels: Label[] = [];
        const handler = () => state.load16(p.value, RECORD.HANDLER);
        const nest = (n: number): void => {
          f.block((label) => {
            labels.push(label);
            if (n + 1 < cases.length) nest(n + 1);
            else {
              f.block((other) => f.brTable(labels, other, handler()));
              const result = f.callIndirect(
                { params: ["i32"], results: ["i32"] },
                handler().sub(cases.length),
                p.value,
              ) as I32;
              f.brIf(lookup, result);
              advance();
            }
          });
          f.scope(cases[n]!);
        };
        nest(0);
      });
    });
  });
}
