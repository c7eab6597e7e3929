/**
 * The bare processor as an oracle for single instructions: compiles insn_oracle.c, gives it states, takes states back.
 * @module
 */

/** Where code and data are, in linear addresses; segments of 32- and 16-bit code begin there. */
export const BASE = 0x10000000;
export const SIZE = 0x10000;
/** The bytes of memory that are part of a state, relative to {@linkcode BASE}; a page ends within. */
export const WINDOW = 0x8e00;
export const WINDOW_BYTES = 1024;
export const CODE_BYTES = 16;
/** Bytes of an FXSAVE image up to the last XMM register. */
export const FX_BYTES = 416;

const GPR_AT = 0;
const RIP_AT = 128;
const RFLAGS_AT = 136;
const FX_AT = 144;
const MEMORY_AT = FX_AT + FX_BYTES;
const STATE_BYTES = MEMORY_AT + WINDOW_BYTES;
const JOB_HEADER = 8 + CODE_BYTES;
const RESULT_HEADER = 16;
const BATCH = 256;

/** The state of user code. */
export class UserState {
  readonly bytes: Uint8Array<ArrayBuffer> = new Uint8Array(STATE_BYTES);
  readonly view: DataView<ArrayBuffer> = new DataView(this.bytes.buffer);
  readonly fx: Uint8Array<ArrayBuffer> = this.bytes.subarray(FX_AT, MEMORY_AT);
  readonly memory: Uint8Array<ArrayBuffer> = this.bytes.subarray(MEMORY_AT);

  gpr(n: number): bigint {
    return this.view.getBigUint64(GPR_AT + n * 8, true);
  }

  setGpr(n: number, value: bigint): void {
    this.view.setBigUint64(GPR_AT + n * 8, value, true);
  }

  /** Relative to {@linkcode BASE}. */
  get rip(): bigint {
    return this.view.getBigUint64(RIP_AT, true);
  }

  set rip(value: bigint) {
    this.view.setBigUint64(RIP_AT, value, true);
  }

  get rflags(): number {
    return this.view.getUint32(RFLAGS_AT, true);
  }

  set rflags(value: number) {
    this.view.setBigUint64(RFLAGS_AT, BigInt(value), true);
  }
}

/** One instruction to be executed. */
export interface Job {
  /** Bits of the code: 64, 32, 16. */
  readonly mode: 16 | 32 | 64;
  readonly code: Uint8Array;
  /** F2 or F3 repeats it. */
  readonly repeats: boolean;
  readonly before: UserState;
}

/** What it left. */
export interface Done {
  /** The vector of its fault, -1: none. */
  readonly trap: number;
  readonly error: number;
  /** CR2 of a page fault. */
  readonly address: bigint;
  readonly after: UserState;
}

/** A compiled oracle in a folder of its own. */
export class NativeOracle {
  readonly #folder: string;
  /** Modes whose code it can run. */
  readonly modes: ReadonlySet<number>;

  private constructor(folder: string, modes: ReadonlySet<number>) {
    this.#folder = folder;
    this.modes = modes;
  }

  /** Compiles the helper. */
  static build(): NativeOracle {
    const folder = Deno.makeTempDirSync({ prefix: "hvm-insn-" });
    const source = new URL("insn_oracle.c", import.meta.url).pathname;
    const compiled = new Deno.Command("gcc", {
      args: ["-O1", "-Wall", "-mno-red-zone", "-o", `${folder}/oracle`, source],
    }).outputSync();
    const decoder = new TextDecoder();
    if (!compiled.success) throw new Error(`Cannot compile the oracle:\n${decoder.decode(compiled.stderr)}`);
    const said = new Deno.Command(`${folder}/oracle`, { args: ["modes"] }).outputSync();
    return new NativeOracle(folder, new Set(decoder.decode(said.stdout).trim().split(" ").map(Number)));
  }

  /** Runs jobs in one process. */
  async run(jobs: readonly Job[]): Promise<Done[]> {
    const child = new Deno.Command(`${this.#folder}/oracle`, { stdin: "piped", stdout: "piped" }).spawn();
    const write = async () => {
      const writer = child.stdin.getWriter();
      await writer.write(encode(jobs));
      await writer.close();
    };
    const [{ stdout, code, signal }] = await Promise.all([child.output(), write()]);
    if (code !== 0) throw new Error(`The oracle ended with ${signal ?? code}`);
    return jobs.map((_, i) => decodeResult(stdout, i * (RESULT_HEADER + STATE_BYTES)));
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#folder, { recursive: true });
  }
}

/** Batches with their counts in front, and a zero. */
function encode(jobs: readonly Job[]): Uint8Array<ArrayBuffer> {
  const batches = Math.ceil(jobs.length / BATCH);
  const bytes = new Uint8Array(jobs.length * (JOB_HEADER + STATE_BYTES) + (batches + 1) * 4);
  const view = new DataView(bytes.buffer);
  let at = 0;
  jobs.forEach(({ mode, code, repeats, before }, i) => {
    if (i % BATCH === 0) {
      view.setUint32(at, Math.min(BATCH, jobs.length - i), true);
      at += 4;
    }
    bytes[at] = { 64: 0, 32: 1, 16: 2 }[mode];
    bytes[at + 1] = repeats ? 1 : 0;
    bytes.fill(0xf4, at + 8, at + JOB_HEADER).set(code, at + 8);
    bytes.set(before.bytes, at + JOB_HEADER);
    at += JOB_HEADER + STATE_BYTES;
  });
  return bytes;
}

function decodeResult(bytes: Uint8Array, at: number): Done {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, RESULT_HEADER);
  const after = new UserState();
  after.bytes.set(bytes.subarray(at + RESULT_HEADER, at + RESULT_HEADER + STATE_BYTES));
  return {
    trap: view.getInt32(0, true),
    error: view.getUint32(4, true),
    address: view.getBigUint64(8, true),
    after,
  };
}
