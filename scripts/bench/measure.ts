/**
 * Measuring programs from outside: time to their first byte, time to their end, memory they hold.
 * @module
 */

import { run } from "../tools.ts";

/** The middle one of some figures. */
export function median(figures: readonly number[]): number {
  const sorted = figures.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

/** A started program with its standard output. */
interface Started {
  readonly child: Deno.ChildProcess;
  /** Reads until `byte` is seen. */
  firstByte(byte: string): Promise<void>;
  /** Reads until the output has `wanted`; returns all of it. */
  text(wanted: string | RegExp): Promise<string>;
  /** Ends it if it still runs, and takes what is left of its output. */
  end(): Promise<void>;
}

function start(command: readonly string[]): Started {
  const [program = "", ...args] = command;
  const child = new Deno.Command(program, { args, stdin: "null", stdout: "piped", stderr: "piped" }).spawn();
  const errors = new Response(child.stderr).text();
  const reader = child.stdout.getReader();
  return {
    child,
    async firstByte(byte) {
      const wanted = byte.charCodeAt(0);
      while (true) {
        const { done, value } = await reader.read();
        if (done) throw new Error(`${command.join(" ")} printed no "${byte}": ${(await errors).trim()}`);
        if (value.includes(wanted)) return;
      }
    },
    async text(wanted) {
      let seen = "";
      const decoder = new TextDecoder();
      while (typeof wanted === "string" ? !seen.includes(wanted) : !wanted.test(seen)) {
        const { done, value } = await reader.read();
        if (done) {
          throw new Error(`${command.join(" ")} ended before "${wanted}": ${seen} ${(await errors).trim()}`);
        }
        seen += decoder.decode(value, { stream: true });
      }
      return seen;
    },
    async end() {
      try {
        child.kill("SIGKILL");
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // TypeError: it has ended already
      }
      await reader.cancel();
      await Promise.all([errors, child.status]);
    },
  };
}

/** Milliseconds from the start of a program to a byte on its standard output. */
export async function timeToByte(command: readonly string[], byte: string): Promise<number> {
  const before = performance.now();
  const started = start(command);
  try {
    await started.firstByte(byte);
    return performance.now() - before;
  } finally {
    await started.end();
  }
}

/** Milliseconds from the start of a program to a text on its standard output, and all that came until then. */
export async function timeToText(
  command: readonly string[],
  wanted: string | RegExp,
  patienceMs: number,
): Promise<{ took: number; text: string }> {
  const before = performance.now();
  const started = start(command);
  const timer = setTimeout(() => started.child.kill("SIGKILL"), patienceMs);
  try {
    const text = await started.text(wanted);
    return { took: performance.now() - before, text };
  } finally {
    clearTimeout(timer);
    await started.end();
  }
}

/** Milliseconds a program takes from start to end. */
export async function timeToEnd(command: readonly string[], status: number): Promise<number> {
  const [program = "", ...args] = command;
  const before = performance.now();
  const { code, stderr } = await new Deno.Command(program, { args, stdin: "null" }).output();
  const time = performance.now() - before;
  if (code === status) return time;
  throw new Error(`${command.join(" ")} ended with ${code}: ${new TextDecoder().decode(stderr).trim()}`);
}

/**
 * Bytes a program holds in memory once it has printed a byte, guest RAM apart.
 *
 * @param command the program.
 * @param byte what it prints.
 * @returns resident bytes of all mappings but memfds.
 */
export async function residentAtByte(command: readonly string[], byte: string): Promise<number> {
  const started = start(command);
  try {
    await started.firstByte(byte);
    const maps = await Deno.readTextFile(`/proc/${started.child.pid}/smaps`);
    let counts = true;
    let kilobytes = 0;
    for (const line of maps.split("\n")) {
      if (/^[0-9a-f]+-[0-9a-f]+ /.test(line)) counts = !line.includes("/memfd:");
      const resident = line.match(/^Rss:\s+(\d+) kB/);
      if (counts && resident !== null) kilobytes += Number(resident[1]);
    }
    return kilobytes * 1024;
  } finally {
    await started.end();
  }
}

/** Compiles a C program. */
export async function compileC(source: string, output: string): Promise<void> {
  await run(["gcc", "-O2", "-Wall", "-o", output, source]);
}
