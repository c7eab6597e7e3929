/**
 * Every instruction of user code on the bare processor and on hvm's: registers, flags, memory, x87, MMX and SSE state, faults.
 *
 * `HVM_ORACLE_CASES=1000000 HVM_ORACLE_SEED=7` runs more cases, and others. What is left out is printed with its reason;
 * differences that are allowed are rows of insn_compare.ts.
 */

import assert from "node:assert/strict";
import { formatInsn } from "../../hvm/x86/format.ts";
import type { Insn } from "../../hvm/x86/insn.ts";
import { isa } from "../../hvm/x86/isa_build.ts";
import { makeJob, Random } from "./insn_cases.ts";
import { difference } from "./insn_compare.ts";
import { type Done, type Job, NativeOracle, UserState } from "./insn_native.ts";
import { SoftOracle } from "./insn_soft.ts";
import { type Template, templates } from "./insn_templates.ts";
import { X87Oracle } from "./x87_oracle.ts";

const NAME = "instructions of user code do what the processor does";
const COUNT = Number(Deno.env.get("HVM_ORACLE_CASES") ?? 200_000);
const SEED = Number(Deno.env.get("HVM_ORACLE_SEED") ?? 1);
/** Jobs the helper is given at once: some 30 MB. */
const CHUNK = 20_000;
const MOST_REPORTED = 10;
const UNDEFINED_OPCODE = 6;

interface Case {
  readonly template: Template;
  readonly job: Job;
  readonly insn: Insn;
}

const missing = X87Oracle.missing();
// deno-lint-ignore no-console -- the run's output is where skips are looked for
if (missing !== undefined) console.log(`SKIP ${NAME}: ${missing}`);

Deno.test({
  name: NAME,
  ignore: missing !== undefined,
  fn: async () => {
    using native = NativeOracle.build();
    const soft = new SoftOracle();
    const { found, leftOut } = templates();
    const usable = found.filter(({ mode }) => native.modes.has(mode));
    const random = new Random(SEED);
    const perTemplate = Math.max(1, Math.ceil(COUNT / usable.length));
    const judge = new Judge(native, soft, await isIntel());
    let chunk: Case[] = [];
    const none: string[] = [];
    for (const template of usable) {
      let made = 0;
      for (let i = 0; i < perTemplate; i++) {
        const job = makeJob(template, random);
        if (job === undefined) continue;
        made++;
        chunk.push({ template, ...job });
      }
      if (made === 0) none.push(template.name);
      if (chunk.length < CHUNK) continue;
      await judge.run(chunk);
      chunk = [];
    }
    await judge.run(chunk);
    judge.report(leftOut);
    assert.deepEqual(none, [], "templates without a case");
    assert.deepEqual(judge.differences, []);
    assert.ok(judge.least > 0, "a row without a case");
    assert.ok(judge.cases >= Math.min(COUNT, usable.length), `${judge.cases} cases`);
  },
});

async function isIntel(): Promise<boolean> {
  return /GenuineIntel/.test(await Deno.readTextFile("/proc/cpuinfo"));
}

/** Runs cases on both and keeps count. */
class Judge {
  readonly differences: string[] = [];
  cases = 0;
  readonly #native: NativeOracle;
  readonly #soft: SoftOracle;
  readonly #intel: boolean;
  readonly #perRow = new Map<number, number>();
  /** Rows that were #UD on the bare processor each time: it lacks them. */
  readonly #undefined = new Map<number, number>();

  constructor(native: NativeOracle, soft: SoftOracle, intel: boolean) {
    this.#native = native;
    this.#soft = soft;
    this.#intel = intel;
  }

  /** The smallest number of cases of any row. */
  get least(): number {
    return Math.min(...this.#perRow.values());
  }

  async run(cases: readonly Case[]): Promise<void> {
    if (cases.length === 0) return;
    const results = await this.#native.run(cases.map(({ job }) => job));
    for (const [i, one] of cases.entries()) {
      const { template } = one;
      this.cases++;
      this.#perRow.set(template.row, (this.#perRow.get(template.row) ?? 0) + 1);
      const native = results[i]!;
      if (native.trap === UNDEFINED_OPCODE && isa().gates[isa().gate[template.row]!] !== "") {
        this.#undefined.set(template.row, (this.#undefined.get(template.row) ?? 0) + 1);
        continue;
      }
      const text = this.#difference(one, native);
      if (text !== undefined && this.differences.length < MOST_REPORTED) {
        this.differences.push(await this.#shrink(one, text));
      }
    }
  }

  report(leftOut: readonly { readonly text: string; readonly why: string }[]): void {
    const lacking = [...this.#undefined].filter(([row, count]) => count === this.#perRow.get(row));
    const reasons = new Map<string, number>();
    for (const { why } of leftOut) reasons.set(why, (reasons.get(why) ?? 0) + 1);
    const lines = [
      `${this.cases} cases of ${this.#perRow.size} rows, at least ${this.least} of each, seed ${SEED}, ` +
      `${this.differences.length} differences`,
      ...[...reasons].map(([why, count]) => `not covered: ${count} rows: ${why}`),
      ...(lacking.length === 0 ? [] : [`not on this processor: ${lacking.length} rows`]),
    ];
    // deno-lint-ignore no-console -- figures of the run
    console.log(lines.join("\n"));
  }

  #difference({ template, job, insn }: Case, native: Done): string | undefined {
    const soft = this.#soft.run(job);
    return difference(template, insn, { job, native, soft, intel: this.#intel });
  }

  /** The same with everything set to zero that does not matter. */
  async #shrink(one: Case, text: string): Promise<string> {
    let best = one;
    let shown = text;
    const attempts: ((state: UserState) => void)[] = [
      (state) => state.memory.fill(0),
      (state) => state.fx.fill(0, 32),
      ...Array.from({ length: 16 }, (_, n) => (state: UserState) => state.setGpr(n, 0n)),
      (state) => void (state.rflags = 2),
    ];
    for (const attempt of attempts) {
      const before = new UserState();
      before.bytes.set(best.job.before.bytes);
      attempt(before);
      const tried = { ...best, job: { ...best.job, before } };
      const [native] = await this.#native.run([tried.job]);
      const still = this.#difference(tried, native!);
      if (still === undefined) continue;
      best = tried;
      shown = still;
    }
    const { job, insn } = best;
    const bytes = [...job.code].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const registers = Array.from({ length: 16 }, (_, n) => job.before.gpr(n))
      .flatMap((value, n) => value === 0n ? [] : [`r${n}=${value.toString(16)}`]);
    const mxcsr = new DataView(job.before.fx.buffer, job.before.fx.byteOffset).getUint32(24, true);
    return `${formatInsn(insn)} [${bytes}] in ${job.mode}-bit code, ${registers.join(" ")} ` +
      `rflags=${job.before.rflags.toString(16)} mxcsr=${mxcsr.toString(16)}: ${shown}`;
  }
}
