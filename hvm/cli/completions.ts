/**
 * Completions: a short script for each shell, which asks hvm itself what may follow.
 *
 * `hvm __complete WORD...` prints what may follow, one a line, each with a tab and its sentence. A line with nothing before
 * the tab says that a file may stand there too.
 * @module
 */

import { runOptions } from "./options.ts";
import { propose, type Shell } from "./parse.ts";
import { VERSION } from "./version.ts";

/** What `hvm __complete` prints for the words after `hvm`, the last of which is being written. */
export async function proposals(words: readonly string[]): Promise<string> {
  // What follows -- is the guest's command, of which hvm knows nothing.
  if (words.slice(0, -1).includes("--")) return "";
  const current = words.at(-1) ?? "";
  const later = new Set(
    runOptions().filter(({ notes }) => notes.kind === "later").map(({ flag }) => `--${flag}`),
  );
  const lines = (await propose(words, VERSION))
    .filter(({ word }) => word.startsWith(current) && !later.has(word))
    .map(({ word, brief }) => `${word}\t${brief}\n`);
  if (wantsFile(words.at(-2))) lines.push("\tfile\n");
  return lines.join("");
}

function wantsFile(option: string | undefined): boolean {
  if (option === "--config" || option === "--file") return true;
  return runOptions().some(({ flag, notes }) => notes.file === true && option === `--${flag}`);
}

/** The script of a shell. */
export function completionScript(shell: Shell): string {
  return SCRIPTS[shell];
}

const SCRIPTS: Readonly<Record<Shell, string>> = {
  // Bash breaks words at = and :, so the words are taken from the line and what it has cut off is cut off here too.
  bash: `# bash completion for hvm
_hvm() {
  local line="\${COMP_LINE:0:COMP_POINT}" words current word brief
  read -ra words <<< "$line"
  [[ "$line" == *[[:space:]] ]] && words+=("")
  current="\${words[-1]}"
  local cut="\${current%"\${current##*[:=]}"}"
  COMPREPLY=()
  while IFS= read -r line; do
    word="\${line%%$'\\t'*}"
    if [[ -z "$word" ]]; then
      compopt -o filenames
      while IFS= read -r word; do COMPREPLY+=("\${word#"$cut"}"); done < <(compgen -f -- "$current")
    else
      COMPREPLY+=("\${word#"$cut"}")
    fi
  done < <(hvm __complete "\${words[@]:1}" 2>/dev/null)
}
complete -F _hvm hvm
`,
  zsh: `#compdef hvm
# zsh completion for hvm
_hvm() {
  local line word files=0
  local -a entries
  while IFS= read -r line; do
    word="\${line%%$'\\t'*}"
    if [[ -z "$word" ]]; then
      files=1
    else
      entries+=("\${word//:/\\\\:}:\${line#*$'\\t'}")
    fi
  done < <(hvm __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)
  (( \${#entries} )) && _describe 'hvm' entries
  (( files )) && _files
}
if [ "$funcstack[1]" = "_hvm" ]; then _hvm "$@"; else compdef _hvm hvm; fi
`,
  fish: `# fish completion for hvm
function __hvm_complete
  set -l words (commandline -opc) (commandline -ct)
  hvm __complete $words[2..-1] 2>/dev/null | string match -rv '^\\t'
end
complete -c hvm -a '(__hvm_complete)'
`,
};
