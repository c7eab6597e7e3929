/**
 * The processor's x87 unit as a subprocess: compiles the helper, feeds it jobs, reads results.
 *
 * @module
 */

const JOB_BYTES = 48;
const RESULT_BYTES = 64;

/** One instruction to run. An 80-bit value is significand and sign with exponent. */
export interface X87Job {
  readonly operation: string;
  readonly a: Extended;
  /** ST(1), or the 16 bytes of a memory operand. */
  readonly b: Extended;
  readonly control: number;
  /** C0 to C3 as they were before. */
  readonly prior: number;
}

export interface Extended {
  readonly sig: bigint;
  readonly se: number;
}

/** What it left. */
export interface X87Result {
  readonly st0: Extended;
  readonly st1: Extended;
  /** The first 10 bytes of the memory operand; A5h where nothing was stored. */
  readonly memory: Extended;
  readonly sw: number;
  readonly eflags: number;
}

/** A compiled oracle in a folder of its own. */
export class X87Oracle {
  readonly #folder: string;
  /** The processor's vendor as CPUID names it. */
  readonly vendor: string;
  readonly operations: readonly string[];

  private constructor(folder: string, vendor: string, operations: readonly string[]) {
    this.#folder = folder;
    this.vendor = vendor;
    this.operations = operations;
  }

  /** Why it cannot run here, or undefined when it can. */
  static missing(): string | undefined {
    if (Deno.build.arch !== "x86_64") return "the processor is no x86-64";
    try {
      const { success } = new Deno.Command("gcc", { args: ["--version"], stdout: "null", stderr: "null" })
        .outputSync();
      return success ? undefined : "gcc does not run";
    } catch {
      return "gcc is not installed";
    }
  }

  /** Compiles the helper. */
  static build(): X87Oracle {
    const folder = Deno.makeTempDirSync({ prefix: "hvm-x87-" });
    const source = new URL("x87_oracle.c", import.meta.url).pathname;
    const compiled = new Deno.Command("gcc", {
      args: ["-O1", "-Wall", "-mno-red-zone", "-o", `${folder}/oracle`, source],
    }).outputSync();
    const decoder = new TextDecoder();
    if (!compiled.success) throw new Error(`Cannot compile the oracle:\n${decoder.decode(compiled.stderr)}`);
    const list = new Deno.Command(`${folder}/oracle`, { args: ["list"] }).outputSync();
    const [vendor = "", ...operations] = decoder.decode(list.stdout).trim().split("\n");
    return new X87Oracle(folder, vendor, operations);
  }

  /** Runs all jobs in one process. */
  async run(jobs: readonly X87Job[]): Promise<X87Result[]> {
    const input = new DataView(new ArrayBuffer(jobs.length * JOB_BYTES));
    jobs.forEach((job, i) => {
      const at = i * JOB_BYTES;
      input.setBigUint64(at, job.a.sig, true);
      input.setUint16(at + 8, job.a.se, true);
      input.setBigUint64(at + 16, job.b.sig, true);
      input.setUint16(at + 24, job.b.se, true);
      input.setUint16(at + 32, job.control, true);
      input.setUint16(at + 34, job.prior, true);
      input.setUint16(at + 36, this.operations.indexOf(job.operation), true);
    });
    const child = new Deno.Command(`${this.#folder}/oracle`, { stdin: "piped", stdout: "piped" }).spawn();
    const write = async () => {
      const writer = child.stdin.getWriter();
      await writer.write(new Uint8Array(input.buffer));
      await writer.close();
    };
    const [{ stdout, code }] = await Promise.all([child.output(), write()]);
    if (code !== 0) throw new Error(`The oracle ended with ${code}`);
    const view = new DataView(stdout.buffer, stdout.byteOffset, stdout.byteLength);
    return jobs.map((_, i) => {
      const at = i * RESULT_BYTES;
      const extended = (offset: number) => ({
        sig: view.getBigUint64(at + offset, true),
        se: view.getUint16(at + offset + 8, true),
      });
      return {
        st0: extended(0),
        st1: extended(16),
        memory: extended(32),
        sw: view.getUint16(at + 48, true),
        eflags: view.getUint16(at + 50, true),
      };
    });
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#folder, { recursive: true });
  }
}
