/**
 * The command line: what `hvm` does with its arguments, and what it says when it cannot.
 * @module
 */

import { ConfigError, HostError, ImageError } from "../base/errors.ts";
import type { StartMachine } from "../script/types.ts";
import { STATUS } from "./exit_codes.ts";
import { internalError, Messages } from "./messages.ts";
import { plainRun } from "./plain_run.ts";
import type { RunRequest } from "./run.ts";
import { VERSION } from "./version.ts";

/** What a command line may be given other than its arguments; tests put their own here. */
export interface MainParts {
  readonly start?: StartMachine;
}

/** Completions ask for this, not people. */
const PROPOSE = "__complete";

/**
 * Does what the arguments say.
 * @returns the exit status: see exit_codes.ts.
 */
export async function main(args: readonly string[], parts: MainParts = {}): Promise<number> {
  const messages = new Messages();
  failTogether(messages);
  try {
    return await dispatch(args, parts, messages);
  } catch (error) {
    messages.say(isExpected(error) ? error.message : internalError(error));
    return error instanceof ImageError ? STATUS.NOT_STARTED : STATUS.FAILED;
  }
}

async function dispatch(args: readonly string[], parts: MainParts, messages: Messages): Promise<number> {
  if (args[0] === PROPOSE) return print(await (await import("./completions.ts")).proposals(args.slice(1)));
  const plain = plainRun(args, Deno.systemMemoryInfo().total);
  if (plain !== undefined) return await run({ config: plain }, parts, messages);
  const { parseArguments } = await import("./parse.ts");
  const request = await parseArguments(args, VERSION);
  switch (request.kind) {
    case "print":
      return print(request.text);
    case "completions":
      return print((await import("./completions.ts")).completionScript(request.shell));
    case "info":
      return print(await (await import("./info.ts")).hostReport(request.json));
    case "disasm":
      for (const text of await (await import("./disasm.ts")).disassembly(request.words)) {
        if (!write(text)) break;
      }
      return STATUS.OK;
    case "run":
      return await run(request, parts, messages);
  }
}

async function run(request: RunRequest, parts: MainParts, messages: Messages): Promise<number> {
  const { runGuest } = await import("./run.ts");
  return await runGuest(request, { start: parts.start ?? startMachine, messages, version: VERSION });
}

/** An error or a rejection that nobody took ends the program as one that was. */
function failTogether(messages: Messages): void {
  const fail = (event: Event, error: unknown) => {
    event.preventDefault();
    messages.say(internalError(error));
    Deno.exit(STATUS.FAILED);
  };
  addEventListener("error", (event) => fail(event, event.error));
  addEventListener("unhandledrejection", (event) => fail(event, event.reason));
}

/** The library is loaded once the configuration is known to be good. */
const startMachine: StartMachine = async (config, options) => {
  const library = await import("../script/machine.ts");
  return await library.startMachine(config, options);
};

function isExpected(error: unknown): error is Error {
  return error instanceof ConfigError || error instanceof ImageError || error instanceof HostError;
}

/** Text on standard output, as all there is to do. */
function print(text: string): number {
  write(text);
  return STATUS.OK;
}

/**
 * Text on standard output. A reader that has left is no failure: `hvm run --help | head -1`.
 * @returns whether it is still there.
 */
function write(text: string): boolean {
  const bytes = new TextEncoder().encode(text);
  try {
    for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    return false;
  }
  return true;
}
