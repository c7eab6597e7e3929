/**
 * What a check of the lab is, how it becomes a piece of shell, and how its traces are read back from the console.
 *
 * The lab's system prints lines that start with a mark nobody else prints:
 *
 *     @@lab begin NAME
 *     @@lab output NAME <one line of what the check printed>
 *     @@lab end NAME STATUS SECONDS
 *     @@lab done
 * @module
 */

/** One thing to try in the lab. */
export interface Check {
  /** Without blanks. */
  readonly name: string;
  /** Shell commands; their output and the last one's status are what is judged. */
  readonly script: string;
  /** Seconds of the lab's own time after which it is ended. */
  readonly timeout: number;
  /** Says what is wrong with a result, or nothing. */
  readonly judge: (result: CheckResult) => string | undefined;
  /** Reads a line of output that tells how a part of the check ended, each a result of its own. */
  readonly part?: (line: string) => PartResult | undefined;
}

/** How a part of a check ended. */
export interface PartResult {
  readonly name: string;
  readonly seconds: number;
  /** What is wrong; absent when it passed or was skipped. */
  readonly reason?: string;
  /** Why it was skipped. */
  readonly skipped?: string;
}

/** What a check did. */
export interface CheckResult {
  readonly name: string;
  readonly status: number;
  /** By the lab's clock. */
  readonly seconds: number;
  readonly output: string;
}

const MARK = "@@lab";

/** The script that runs the checks one after the other. */
export function labScript(checks: readonly Check[]): string {
  return checks.map(checkScript).join("\n") + `\necho "${MARK} done"\n`;
}

/**
 * One check: its commands in a file of their own, so that no quoting is needed, in a session of their own, so that
 * nothing of them is left when the time is over.
 */
function checkScript(check: Check): string {
  return `cat > /tmp/check.sh <<'END-OF-CHECK'
${check.script}
END-OF-CHECK
run_check() {
  setsid sh /tmp/check.sh < /dev/null 2>&1 &
  session=$!
  (sleep ${check.timeout}; kill -KILL -$session) > /dev/null 2>&1 &
  guard=$!
  wait $session
  status=$?
  kill -KILL -$session $guard 2> /dev/null
  [ $status = 0 ] || dmesg | tail -n 8 | sed 's/^/(lab kernel) /'
  return $status
}
echo "${MARK} begin ${check.name}"
start=$(cut -d' ' -f1 /proc/uptime)
set -o pipefail
run_check 2> /dev/null | sed -e 's/\r//g' -e 's/^/${MARK} output ${check.name} /'
status=$?
finish=$(cut -d' ' -f1 /proc/uptime)
echo
echo "${MARK} end ${check.name} $status $(echo "$finish $start" | awk '{ print $1 - $2 }')"`;
}

/** Reads the console's lines as they come. */
export class ResultReader {
  /** The check that runs now. */
  current: string | undefined;
  /** Called with every line a check prints. */
  onOutput: (name: string, line: string) => void = () => {};
  /** Whether all checks have run. */
  done = false;
  readonly results: CheckResult[] = [];
  #lines: string[] = [];

  /**
   * Takes one line of the console.
   *
   * @returns the result when the line ends a check.
   */
  line(line: string): CheckResult | undefined {
    const at = line.indexOf(`${MARK} `);
    if (at < 0) return undefined;
    const [, kind, name = "", ...rest] = line.slice(at).trimEnd().split(" ");
    if (kind === "done") this.done = true;
    if (kind === "begin") {
      this.current = name;
      this.#lines = [];
    }
    if (kind === "output") {
      this.#lines.push(rest.join(" "));
      this.onOutput(name, rest.join(" "));
    }
    if (kind !== "end") return undefined;
    const [status, seconds] = rest.map(Number);
    const result = { name, status: status ?? 255, seconds: seconds ?? 0, output: this.#lines.join("\n") };
    this.current = undefined;
    this.results.push(result);
    return result;
  }
}
