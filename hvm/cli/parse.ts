/**
 * From arguments to what is to be done. The only file that knows the command line library.
 * @module
 */

import {
  type Application,
  type ArgumentScannerError,
  buildApplication,
  buildCommand,
  buildRouteMap,
  type Command,
  type CommandContext,
  formatMessageForArgumentScannerError,
  proposeCompletions,
  run,
  type StricliProcess,
  text_en,
} from "@stricli/core";
import { ConfigError } from "../base/errors.ts";
import type { DisasmWords } from "./disasm.ts";
import { completionsHelp, CONFIG_SENTENCE, disasmHelp, infoHelp, rootHelp, runHelp } from "./help.ts";
import { kebab, type Option, runOptions } from "./options.ts";

/** What the arguments ask for. */
export type Request =
  | {
    readonly kind: "run";
    /** Words by field, as they were written. */
    readonly flags: Record<string, unknown>;
    /** What stands after `--`; undefined without one. */
    readonly command: readonly string[] | undefined;
    /** The configuration file. */
    readonly file: string | undefined;
  }
  | { readonly kind: "info"; readonly json: boolean }
  | { readonly kind: "completions"; readonly shell: Shell }
  | { readonly kind: "disasm"; readonly words: DisasmWords }
  /** Help or the version: print it. */
  | { readonly kind: "print"; readonly text: string };

/** Shells with completions. */
export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = typeof SHELLS[number];

interface Context extends CommandContext {
  request?: Request;
}

/**
 * Reads the arguments.
 * @throws {ConfigError} with one sentence.
 */
export async function parseArguments(args: readonly string[], version: string): Promise<Request> {
  const dashes = args.indexOf("--");
  const own = dashes < 0 ? args : args.slice(0, dashes);
  const command = dashes < 0 ? undefined : args.slice(dashes + 1);
  let printed = "";
  let refused = "";
  const process: StricliProcess = {
    stdout: { write: (text) => void (printed += text) },
    stderr: { write: (text) => void (refused += text) },
  };
  const context: Context = { process };
  await run(application(version), own, context as Context & { process: StricliProcess });
  if (refused !== "") throw new ConfigError(refused.trim());
  const request = context.request ?? { kind: "print", text: printed };
  if (request.kind === "run") return { ...request, command };
  if (command !== undefined) {
    throw new ConfigError("Cannot take arguments after -- here: they are for hvm run");
  }
  return request;
}

/** What may follow the words given, the last of which is being written. */
export async function propose(
  words: readonly string[],
  version: string,
): Promise<{ word: string; brief: string }[]> {
  const sink = { write: () => {} };
  const context: Context & { process: StricliProcess } = { process: { stdout: sink, stderr: sink } };
  const proposals = await proposeCompletions(application(version), words, context);
  return proposals.map(({ completion, brief }) => ({ word: completion, brief }));
}

function application(version: string): Application<Context> {
  const routes = {
    run: withHelp(runCommand(), runHelp),
    info: withHelp(infoCommand(), infoHelp),
    disasm: withHelp(disasmCommand(), disasmHelp),
    completions: withHelp(completionsCommand(), completionsHelp),
  };
  const root = buildRouteMap<keyof typeof routes, Context>({
    routes,
    docs: { brief: "a virtual machine monitor" },
  });
  return buildApplication({ ...root, formatHelp: rootHelp }, {
    name: "hvm",
    versionInfo: { currentVersion: `hvm ${version}` },
    scanner: { caseStyle: "allow-kebab-for-camel", allowArgumentEscapeSequence: false },
    documentation: { caseStyle: "convert-camel-to-kebab", disableAnsiColor: true },
    localization: { text: { ...text_en, ...SENTENCES } },
  });
}

/** The library's own help shows neither values nor examples. */
function withHelp(command: Command<Context>, help: () => string): Command<Context> {
  return { ...command, formatHelp: help };
}

function runCommand(): Command<Context> {
  // Without a prototype, so that --constructor is an unknown option too.
  const flags: Record<string, unknown> = Object.create(null);
  const byFlag = runOptions();
  for (const option of byFlag) flags[camel(option.flag)] = parameter(option);
  flags.config = {
    kind: "parsed",
    parse: String,
    optional: true,
    placeholder: "FILE",
    brief: CONFIG_SENTENCE,
  };
  return buildCommand<Record<string, unknown>, [], Context>({
    docs: { brief: "start a guest and wait for its end" },
    parameters: { flags } as never,
    func(this: Context, given: Record<string, unknown>) {
      const fields = Object.fromEntries(byFlag.map(({ field, flag }) => [field, given[camel(flag)]]));
      this.request = {
        kind: "run",
        flags: fields,
        command: undefined,
        file: given.config as string | undefined,
      };
    },
  });
}

/** An option as the library knows it: text, whose meaning the schema finds. */
function parameter({ notes }: Option): object {
  const words = notes.words ?? [];
  return {
    kind: "parsed",
    parse: String,
    optional: true,
    brief: notes.sentence,
    placeholder: notes.hint,
    proposeCompletions: (partial: string) => words.filter((word) => word.startsWith(partial)),
    ...(notes.kind === "later" ? { hidden: true } : {}),
    ...(["names", "modules", "typed"].includes(notes.kind) ? { variadic: true } : {}),
  };
}

function infoCommand(): Command<Context> {
  return buildCommand<{ json: boolean }, [], Context>({
    docs: { brief: "what this host can do, which engine auto takes, and why" },
    parameters: {
      flags: { json: { kind: "boolean", brief: "Everything as JSON", default: false, withNegated: false } },
    },
    func(this: Context, { json }) {
      this.request = { kind: "info", json };
    },
  });
}

function disasmCommand(): Command<Context> {
  const text = (brief: string, placeholder: string, words: readonly string[] = []) => ({
    kind: "parsed" as const,
    parse: String,
    optional: true as const,
    brief,
    placeholder,
    proposeCompletions: (partial: string) => words.filter((word) => word.startsWith(partial)),
  });
  return buildCommand<Omit<DisasmWords, "bytes">, string[], Context>({
    docs: { brief: "print instructions from bytes or a file" },
    parameters: {
      flags: {
        mode: text("The kind of code", "16|32|64", ["16", "32", "64"]),
        address: text("Where the first byte is", "ADDRESS"),
        file: text("Bytes from a file", "FILE"),
        offset: text("Where in the file to begin", "OFFSET"),
        length: text("How many bytes of the file", "LENGTH"),
      },
      positional: { kind: "array", parameter: { brief: "bytes", placeholder: "HEX", parse: String } },
    },
    func(this: Context, flags, ...bytes) {
      this.request = { kind: "disasm", words: { ...flags, bytes } };
    },
  });
}

function completionsCommand(): Command<Context> {
  return buildCommand<Record<never, never>, [string], Context>({
    docs: { brief: "print completions for a shell" },
    parameters: {
      flags: {},
      positional: {
        kind: "tuple",
        parameters: [{
          brief: "the shell",
          placeholder: SHELLS.join("|"),
          parse: String,
          proposeCompletions: () => [...SHELLS],
        }],
      },
    },
    func(this: Context, _flags, word) {
      const shell = SHELLS.find((known) => known === word);
      if (shell === undefined) {
        this.process.stderr.write(`Cannot print completions for ${word}: there are ${SHELLS.join(", ")}`);
        return;
      }
      this.request = { kind: "completions", shell };
    },
  });
}

function camel(flag: string): string {
  return flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function didYouMean(corrections: readonly string[]): string {
  return corrections.length === 0 ? "" : `, did you mean ${corrections[0]?.replaceAll("`", "")}?`;
}

/** Only `hvm run` is likely to be given one. */
const POSITIONAL = "hvm run takes a kernel after --kernel, and a command for the guest after --";

const dashed = (name: string) => name.startsWith("-") ? name : `--${name}`;

/** The library's errors in hvm's own sentences. */
const SENTENCES = {
  exceptionWhileParsingArguments: (error: unknown) =>
    formatMessageForArgumentScannerError(error as ArgumentScannerError, {
      FlagNotFoundError: ({ input, corrections }) =>
        `There is no option ${dashed(input)}${didYouMean(corrections.map((name) => dashed(kebab(name))))}`,
      AliasNotFoundError: ({ input }) => `There is no option -${input}`,
      UnsatisfiedFlagError: ({ externalFlagName }) => `Cannot use --${externalFlagName} without a value`,
      UnexpectedFlagError: ({ externalFlagName }) => `Cannot use --${externalFlagName} twice`,
      UnexpectedPositionalError: ({ input }) =>
        `Cannot use the argument ${JSON.stringify(input)}: ${POSITIONAL}`,
      UnsatisfiedPositionalError: ({ placeholder }) => `Cannot do that without an argument: ${placeholder}`,
      ArgumentParseError: ({ externalFlagNameOrPlaceholder, input }) =>
        `Cannot use ${dashed(externalFlagNameOrPlaceholder)} with ${
          JSON.stringify(input)
        }: it takes no value`,
    }),
  noCommandRegisteredForInput: ({ input, corrections }: { input: string; corrections: readonly string[] }) =>
    input.startsWith("-")
      ? `There is no option ${input} here; hvm --help shows what there is`
      : `There is no command ${input}${didYouMean(corrections) || "; hvm --help shows what there is"}`,
};
