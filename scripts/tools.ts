/**
 * What the scripts share: running programs, reading their own options, and speaking in plain lines.
 * @module
 */

/** Prints one line on standard output. */
export function say(line: string): void {
  console.log(line);
}

/** Prints one line on standard error and ends the script with status 1. */
export function fail(line: string): never {
  console.error(line);
  Deno.exit(1);
}

/** How a program is run. */
export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  readonly clearEnv?: boolean;
}

/**
 * Runs a program to its end.
 *
 * @param command the program and its arguments.
 * @returns what it printed on standard output.
 * @throws Error with the program's own words when it cannot be started or ends with another status than 0.
 */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<string> {
  const [program = "", ...args] = command;
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command(program, { args, ...options, stdin: "null" }).output();
  } catch (error) {
    throw new Error(`Cannot start ${program}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
  const text = new TextDecoder().decode(output.stdout);
  if (!output.success) {
    const words = `${text}\n${new TextDecoder().decode(output.stderr)}`.trim().split("\n").slice(-15).join(
      "\n",
    );
    throw new Error(`${command.slice(0, 3).join(" ")} failed with status ${output.code}: ${words}`);
  }
  return text;
}

/**
 * Runs a program with this terminal.
 *
 * @returns its exit status; 127 when it cannot be started.
 */
export async function pass(command: readonly string[], options: RunOptions = {}): Promise<number> {
  const [program = "", ...args] = command;
  try {
    return (await new Deno.Command(program, { args, ...options, stdin: "inherit" }).spawn().status).code;
  } catch {
    return 127;
  }
}

/** Whether a program of this name can be started. */
export function hasProgram(name: string): boolean {
  const places = `${Deno.env.get("PATH") ?? ""}:/usr/sbin:/sbin`.split(":");
  return places.some((place) => {
    try {
      return place !== "" && Deno.statSync(`${place}/${name}`).isFile;
    } catch {
      return false;
    }
  });
}

/**
 * Reads `--name value`, `--name=value` and, for names whose default is a boolean, `--name`.
 *
 * @param args the words typed.
 * @param defaults the options there are, with the values they have when not typed.
 * @returns the options and the words that are none.
 * @throws Error for an option that does not exist or lacks its value.
 */
export function optionsFrom<T extends Record<string, string | boolean>>(
  args: readonly string[],
  defaults: T,
): { options: { [K in keyof T]: T[K] extends boolean ? boolean : string }; words: string[] } {
  const options: Record<string, string | boolean> = { ...defaults };
  const words: string[] = [];
  for (let index = 0; index < args.length; index++) {
    const word = args[index] ?? "";
    if (!word.startsWith("--")) {
      words.push(word);
      continue;
    }
    const [, name = "", inline] = word.match(/^--([^=]*)(?:=(.*))?$/s) ?? [];
    const fallback = defaults[name];
    if (fallback === undefined) {
      throw new Error(`There is no option --${name}; there are --${Object.keys(defaults).join(", --")}`);
    }
    if (typeof fallback === "boolean") {
      options[name] = true;
    } else {
      const value = inline ?? args[++index];
      if (value === undefined) throw new Error(`Option --${name} needs a value`);
      options[name] = value;
    }
  }
  return { options: options as { [K in keyof T]: T[K] extends boolean ? boolean : string }, words };
}

/** Splits a stream into lines. */
export async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}
