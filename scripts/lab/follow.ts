/**
 * Follows a machine of the lab by its console, from its start to its end, and judges each check as it ends.
 * @module
 */

import { say } from "../tools.ts";
import { type Check, ResultReader } from "./check.ts";
import type { LabMachine } from "./hosts.ts";

/** A judged check, or a part of one. */
export interface Verdict {
  readonly name: string;
  readonly seconds: number;
  readonly status?: number;
  readonly output?: string;
  /** What is wrong; absent when the check passed. */
  readonly reason?: string;
  /** Why it was not tried. */
  readonly skipped?: string;
}

/** How long a machine is followed. */
export interface FollowOptions {
  /** Seconds without a line after which it counts as dead. */
  readonly silence: number;
  /** Seconds after which it is ended in any case. */
  readonly limit: number;
  /** Whether to print what the console says. */
  readonly verbose: boolean;
}

/** Lines kept to show when the machine ends early. */
const LAST_LINES = 40;
/** Lines of a failed check's output that are shown. */
const SHOWN_LINES = 300;

/**
 * Reads the console to its end, printing each verdict as it comes.
 *
 * @returns a verdict for every check and part of one; what was not reached has failed.
 */
export async function follow(
  machine: LabMachine,
  checks: readonly Check[],
  options: FollowOptions,
): Promise<Verdict[]> {
  const { silence, limit, verbose } = options;
  const reader = new ResultReader();
  const verdicts: Verdict[] = [];
  const last: string[] = [];
  const stop = (why: string) => {
    say(`${why}: the lab is ended`);
    machine.end();
  };
  reader.onOutput = (name, line) => {
    const part = checks.find((check) => check.name === name)?.part?.(line);
    if (part !== undefined) verdicts.push(print({ ...part, name: `${name}:${part.name}` }));
  };
  using watchdog = new Watchdog(silence, () => stop(`Nothing was said for ${silence} s`));
  using _deadline = new Watchdog(limit, () => stop(`${limit} s are over`));
  for await (const line of machine.lines) {
    watchdog.feed();
    last.push(line);
    if (last.length > LAST_LINES) last.shift();
    if (verbose) say(`  | ${line.trimEnd().replace(/^@@lab output \S+ ?/, "")}`);
    const result = reader.line(line);
    if (result === undefined) continue;
    const reason = checks.find((check) => check.name === result.name)?.judge(result);
    verdicts.push(print(reason === undefined ? result : { ...result, reason }));
  }
  if (!reader.done) say(`The lab ended early; its last lines:\n${last.join("\n")}`);
  verdicts.push(...notReached(checks, reader));
  return verdicts;
}

/** The checks that were not, or not to their end, tried. */
function notReached(checks: readonly Check[], reader: ResultReader): Verdict[] {
  const tried = new Set(reader.results.map(({ name }) => name));
  const left = checks.filter(({ name }) => !tried.has(name));
  const others = left.filter(({ name }) => name !== reader.current);
  if (left.length > others.length) say(`FAIL  ${reader.current}: the lab ended during it`);
  if (others.length > 0) say(`FAIL  not reached: ${others.map(({ name }) => name).join(" ")}`);
  return left.map(({ name }) => {
    const reason = name === reader.current ? "the lab ended during this check" : "the lab ended before it";
    return { name, seconds: 0, reason };
  });
}

function print(verdict: Verdict): Verdict {
  const { name, seconds, reason, output = "", skipped } = verdict;
  const time = `${seconds.toFixed(1)} s`;
  if (skipped !== undefined) say(`skip  ${name}: ${skipped}`);
  else say(reason === undefined ? `pass  ${name}  ${time}` : `FAIL  ${name}  ${time}: ${reason}`);
  if (reason !== undefined && output !== "") {
    for (const line of output.split("\n").slice(-SHOWN_LINES)) say(`      | ${line}`);
  }
  return verdict;
}

/** Calls back when it has not been fed for some time. */
class Watchdog {
  readonly #seconds: number;
  readonly #bark: () => void;
  #timer: ReturnType<typeof setTimeout>;

  constructor(seconds: number, bark: () => void) {
    this.#seconds = seconds;
    this.#bark = bark;
    this.#timer = setTimeout(bark, seconds * 1000);
  }

  /** Starts the time again. */
  feed(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#bark, this.#seconds * 1000);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
