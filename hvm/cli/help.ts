/**
 * The help texts. The options' part is made from the schema of the configuration.
 * @module
 */

import { type Option, runOptions } from "./options.ts";

const WIDTH = 100;
const INDENT = 2;
/** Where the sentences begin; a longer option has its sentence on the next line. */
const SENTENCES_AT = 34;

/** `hvm --help`. */
export function rootHelp(): string {
  return `hvm: a virtual machine monitor

Usage:
  hvm run [options] [-- COMMAND...]   start a guest and wait for its end
  hvm info [--json]                   what this host can do, which engine auto takes, and why
  hvm disasm [options] [HEX...]       print instructions from bytes or a file
  hvm completions bash|zsh|fish       print completions for a shell
  hvm --version | --help

Examples:
  hvm run                             the default guest, with a shell on this terminal
  hvm run -- uname -a                 one command in it; its status becomes hvm's
  hvm run --kernel bzImage --initrd initrd.img --append console=ttyS0

hvm run --help has all options.
`;
}

const RUN_EXAMPLES = `Examples:
  hvm run
  hvm run --memory 1G --timeout 60 -- sh -c 'cat /proc/meminfo; exit 3'
  hvm run --kernel debian:6.12 --modules virtio_rng
  hvm run --kernel vmlinux --initrd initrd.img --append "console=ttyS0 panic=-1"
  hvm run --kernel test.elf --boot-module data.bin,"a text" --serial file:serial.log --json result.json
  hvm run --config machine.json --memory 2G
  hvm run --kernel debian:6.1 --append nokaslr --gdb 1234
`;

const RUN_NOTES =
  `At a terminal every key goes to the guest, Ctrl-C too. Ctrl-] is hvm's own: Ctrl-] and then q ends the guest,
Ctrl-] twice sends one Ctrl-] to it. Standard output is the guest's; hvm speaks on standard error.

Exit status:
  0                the guest powered off or rebooted
  the command's    after --; 127 when the guest does not have the command
  (v << 1) | 1     the guest wrote v to port F4h
  124              the time given by --timeout was over
  125              hvm or its host failed, bad options included
  126              the guest could not be started: no such kernel, not a kernel, ...
  129, 130, 143    stopped by SIGHUP, by SIGINT, the escape key or a debugger, by SIGTERM
  255              the guest crashed: panic, triple fault
Where a number of the guest's own is one of these, the JSON result decides.
`;

const GROUP_TITLE = { Guest: "Guest", Machine: "Machine", Host: "Host", Run: "The run" } as const;

/** `hvm run --help`. */
export function runHelp(): string {
  const options = runOptions().filter(({ notes }) => notes.kind !== "later");
  const later = runOptions().filter(({ notes }) => notes.kind === "later").map(({ flag }) => `--${flag}`);
  const groups = (Object.keys(GROUP_TITLE) as (keyof typeof GROUP_TITLE)[]).map((group) => {
    const own = options.filter(({ notes }) => notes.group === group).map(optionHelp);
    if (group === "Run") own.push(entry("--config FILE", CONFIG_SENTENCE));
    return `${GROUP_TITLE[group]}:\n${own.join("")}`;
  });
  return `Starts a guest and waits for its end. Without a kernel it is the default guest: Debian's kernel with busybox.

Usage: hvm run [options] [-- COMMAND...]
In brackets is what holds when nothing is said.

${groups.join("\n")}
Not there yet: ${later.join(", ")}.

${RUN_EXAMPLES}
${RUN_NOTES}`;
}

/** What `--config` is. */
export const CONFIG_SENTENCE =
  "Fields from a JSON file, comments allowed, named as here in camelCase (onReboot); " +
  "options given beside it win, and paths in it start at the file";

/** `hvm info --help`. */
export function infoHelp(): string {
  return `Shows what this host can do, which engine auto takes and why, and what a machine has where.

Usage: hvm info [--json]

  --json    everything as JSON
`;
}

/** `hvm disasm --help`. */
export function disasmHelp(): string {
  return `Prints instructions: address, bytes, text.

Usage: hvm disasm [options] HEX...
       hvm disasm [options] --file FILE

  --mode 16|32|64      the kind of code (64)
  --address ADDRESS    where the first byte is (0)
  --file FILE          bytes from a file instead
  --offset OFFSET      where in the file to begin (0)
  --length LENGTH      how many bytes of it (all)

Numbers are decimal, or hexadecimal with 0x. A byte that begins no whole instruction
is (bad).

Examples:
  hvm disasm 48 89 e5 0f 05
  hvm disasm --mode 16 --address 0x7c00 --file disk.img --length 512
`;
}

/** `hvm completions --help`. */
export function completionsHelp(): string {
  return `Prints completions for a shell.

Usage: hvm completions bash|zsh|fish

  bash    hvm completions bash > ~/.local/share/bash-completion/completions/hvm
  zsh     hvm completions zsh > DIRECTORY/_hvm, the directory being one of $fpath
  fish    hvm completions fish > ~/.config/fish/completions/hvm.fish
`;
}

function optionHelp({ flag, notes }: Option): string {
  const standard = notes.standard === undefined ? "" : ` (${notes.standard})`;
  return entry(`--${flag} ${notes.hint}`, notes.sentence + standard);
}

/** One option with its sentence, wrapped. */
function entry(option: string, sentence: string): string {
  const lines: string[] = [];
  let line = " ".repeat(INDENT) + option;
  if (line.length > SENTENCES_AT - 2) {
    lines.push(line);
    line = "";
  }
  line = line.padEnd(SENTENCES_AT - 1);
  for (const word of sentence.split(" ")) {
    if (line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = " ".repeat(SENTENCES_AT - 1);
    }
    line += ` ${word}`;
  }
  return [...lines, line, ""].join("\n");
}
