/**
 * Packages through the host's own package manager, as any user: looked up, fetched with apt's checks, unpacked.
 *
 * The host's package lists serve as long as they know the package; when they do not, or name a version the archive no
 * longer has, lists of our own are kept in a directory of ours, made from the host's sources and keys. Nothing is
 * installed, and nothing of the host's state is written. Signatures and digests are apt's: unauthenticated packages are
 * refused even where the host's settings allow them.
 *
 * Sources: [apt.conf] apt.conf(5); [apt-get] apt-get(8); [apt-cache] apt-cache(8); [deb822] deb-control(5);
 * [progress] README.progress-reporting of apt.
 * @module
 */

import { ConfigError, HostError } from "../base/errors.ts";

/** What the sentence of every refusal ends with: the way that needs no package manager. */
export const KERNEL_FILE_ADVICE = "give a kernel file with --kernel FILE";

/** How a command ended and what it said. */
export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a command to its end. Rejects with `Deno.errors.NotFound` when there is no such command, and with the signal's
 * reason when it is aborted (the command is ended first).
 */
export type RunCommand = (
  command: string,
  args: readonly string[],
  options?: { cwd?: string; signal?: AbortSignal; onLine?: (line: string) => void },
) => Promise<CommandResult>;

/** A package apt can fetch. */
export interface PackageRecord {
  readonly name: string;
  readonly version: string;
  /** Size of the package file in bytes. */
  readonly size: number;
  /** Names of the packages it depends on, without versions and alternatives. */
  readonly depends: readonly string[];
}

/** Settings for the lists kept by ourselves; `#clear` drops hooks that are for the host's own state. [apt.conf] */
const OWN_LISTS_CONFIG = `#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear Acquire::IndexTargets;
Acquire::IndexTargets::deb::Packages {
  MetaKey "$(COMPONENT)/binary-$(ARCHITECTURE)/Packages";
  flatMetaKey "Packages";
  ShortDescription "Packages";
  Description "$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Packages";
  Optional "false";
};
Acquire::Languages "none";
`;

/** apt as seen through the host's lists or, after {@linkcode Apt.update}, through our own. */
export class Apt {
  readonly #directory: string;
  readonly #run: RunCommand;
  readonly #signal: AbortSignal | undefined;
  #ownLists = false;

  /**
   * @param options.directory where our own lists and apt's scratch files go; made when needed
   * @param options.run runs commands; the host's by default
   * @param options.signal ends the command under way
   */
  constructor(options: { directory: string; run?: RunCommand; signal?: AbortSignal | undefined }) {
    this.#directory = options.directory;
    this.#run = options.run ?? runCommand;
    this.#signal = options.signal;
  }

  /** True once {@linkcode Apt.update} has made lists of our own. */
  get ownLists(): boolean {
    return this.#ownLists;
  }

  /**
   * The version of `name` that apt would install.
   * @returns undefined when the lists have none.
   * @throws {ConfigError} when the host has no apt.
   */
  async candidate(name: string): Promise<PackageRecord | undefined> {
    const { code, stdout } = await this.#apt("apt-cache", ["show", "--no-all-versions", name]);
    if (code !== 0) return undefined;
    return stdout.split(/\n{2,}/).map(parseRecord).find((record) => record?.name === name);
  }

  /** All package names that start with `prefix`. */
  async names(prefix: string): Promise<string[]> {
    const { code, stdout } = await this.#apt("apt-cache", ["pkgnames", prefix]);
    return code === 0 ? stdout.split("\n").filter((line) => line !== "").sort() : [];
  }

  /**
   * Makes lists of our own from the host's sources; all look-ups use them from then on.
   * @returns what apt complained about; empty when all went well. One source of many that fails is no failure here:
   *   the package asked for tells.
   */
  async update(): Promise<string> {
    for (const part of ["state/lists/partial", "cache/archives/partial"]) {
      await Deno.mkdir(`${this.#directory}/${part}`, { recursive: true, mode: 0o700 });
    }
    await Deno.writeTextFile(`${this.#directory}/apt.conf`, OWN_LISTS_CONFIG);
    this.#ownLists = true;
    const { code, stderr } = await this.#apt("apt-get", ["update", "-q=2"]);
    return code === 0 ? "" : complaint(stderr);
  }

  /**
   * Fetches the file of one version of a package into `directory`, checked by apt against its signed lists.
   * @param onProgress told the share fetched, 0 to 1
   * @returns the path of the file
   * @throws {HostError} with apt's words when it cannot.
   */
  async download(
    wanted: PackageRecord,
    directory: string,
    onProgress: (fraction: number) => void = () => {},
  ): Promise<string> {
    const { code, stderr } = await this.#apt(
      "apt-get",
      ["download", "-q=2", "-o", "APT::Status-Fd=1", `${wanted.name}=${wanted.version}`],
      { cwd: directory, onLine: (line) => reportShare(line, onProgress) },
    );
    const file = await findPackageFile(directory, wanted.name);
    if (code !== 0 || file === undefined) {
      throw new HostError(
        `Cannot fetch ${wanted.name} ${wanted.version}: apt-get download failed: ${complaint(stderr)}; ` +
          KERNEL_FILE_ADVICE,
        { operation: "apt-get download" },
      );
    }
    return file;
  }

  /** Unpacks a package file into `directory`. @throws {HostError} with dpkg's words when it cannot. */
  async unpack(file: string, directory: string): Promise<void> {
    const { code, stderr } = await this.#command("dpkg-deb", ["--extract", file, directory]);
    if (code !== 0) {
      throw new HostError(`Cannot unpack ${file}: dpkg-deb failed: ${complaint(stderr)}`, {
        operation: "dpkg-deb --extract",
      });
    }
  }

  #apt(
    command: string,
    args: string[],
    options: { cwd?: string; onLine?: (line: string) => void } = {},
  ): Promise<CommandResult> {
    return this.#command(command, [...this.#settings(), ...args], options);
  }

  /** Settings that hold for every command; the binary package cache would be written where only root may. */
  #settings(): string[] {
    const settings = [
      "Dir::Cache::pkgcache=",
      "Dir::Cache::srcpkgcache=",
      "APT::Get::AllowUnauthenticated=false",
      "Acquire::AllowInsecureRepositories=false",
      // apt run by root would give up root for a user that cannot enter a private cache directory.
      "APT::Sandbox::User=root",
      `Dir::Cache=${this.#directory}/cache`,
    ];
    if (this.#ownLists) settings.push(`Dir::State=${this.#directory}/state`);
    const config = this.#ownLists ? ["-c", `${this.#directory}/apt.conf`] : [];
    return [...config, ...settings.flatMap((setting) => ["-o", setting])];
  }

  async #command(
    command: string,
    args: string[],
    options: { cwd?: string; onLine?: (line: string) => void } = {},
  ): Promise<CommandResult> {
    try {
      return await this.#run(
        command,
        args,
        this.#signal === undefined ? options : { ...options, signal: this.#signal },
      );
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      throw new ConfigError(
        `Cannot fetch the default guest: this host has no ${command} (Debian's package manager); ${KERNEL_FILE_ADVICE}`,
        { path: "kernel", cause: error },
      );
    }
  }
}

/** Runs a host command with an English locale and no input. */
export const runCommand: RunCommand = async (command, args, options = {}) => {
  options.signal?.throwIfAborted();
  const child = new Deno.Command(command, {
    args: [...args],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    env: { LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const [status, stdout, stderr] = await Promise.all([
    child.status,
    readLines(child.stdout, options.onLine),
    readLines(child.stderr),
  ]);
  options.signal?.throwIfAborted();
  return { code: status.code, stdout, stderr };
};

async function readLines(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  onLine?: (line: string) => void,
): Promise<string> {
  let all = "";
  let reported = 0;
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    all += text;
    for (let end = all.indexOf("\n", reported); onLine !== undefined && end !== -1;) {
      onLine(all.slice(reported, end));
      reported = end + 1;
      end = all.indexOf("\n", reported);
    }
  }
  return all;
}

function parseRecord(text: string): PackageRecord | undefined {
  const fields = new Map<string, string>();
  // A line that starts with a space continues the field before it. [deb822]
  for (const line of text.replaceAll(/\n[ \t]+/g, " ").split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  const name = fields.get("package");
  const version = fields.get("version");
  if (name === undefined || version === undefined) return undefined;
  return {
    name,
    version,
    size: Number(fields.get("size") ?? 0),
    depends: (fields.get("depends") ?? "").split(",").map((one) => one.trim().split(/[\s(|:]/)[0] ?? "")
      .filter((one) => one !== ""),
  };
}

/** `dlstatus:ITEMS:PERCENT:TEXT` is what apt writes while it fetches. [progress] */
function reportShare(line: string, onProgress: (fraction: number) => void): void {
  const match = /^dlstatus:\d+:([\d.]+):/.exec(line);
  if (match !== null) onProgress(Number(match[1]) / 100);
}

/** apt's error lines as one line; its warnings when there are none. */
function complaint(stderr: string): string {
  const lines = stderr.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  const errors = lines.filter((line) => /^(E:|dpkg-deb: error)/.test(line));
  const chosen = errors.length > 0 ? errors : lines;
  return chosen.map((line) => line.replace(/^[EW]:\s*/, "")).join("; ") || "it gave no reason";
}

async function findPackageFile(directory: string, name: string): Promise<string | undefined> {
  for await (const entry of Deno.readDir(directory)) {
    if (entry.isFile && entry.name.startsWith(`${name}_`) && entry.name.endsWith(".deb")) {
      return `${directory}/${entry.name}`;
    }
  }
  return undefined;
}
