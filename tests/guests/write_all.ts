/**
 * Writes every guest program, with a manifest.json that says how each is run and how it is to end.
 *
 * `deno run -A tests/guests/write_all.ts FOLDER`. The host lab runs hvm on them without a Deno of its own.
 * @module
 */

import { forbidding, type GuestProgram } from "./guest.ts";
import { GUEST_PROGRAMS } from "./manifest.ts";

/** One program in manifest.json; files are names within the folder. */
export interface ManifestEntry {
  readonly name: string;
  readonly file: string;
  /** hvm's options for it, `--kernel` and paths included relative to the folder. */
  readonly args: readonly string[];
  readonly expect: GuestProgram["expect"];
  /** The modes it can run in. */
  readonly irqchips: readonly string[];
  /** The quirk rows that forbid it on the hosts they name, by mode. */
  readonly quirks: Readonly<Record<string, readonly string[]>>;
  readonly timeoutS: number;
}

/** hvm's options for a program, its files being called as here. */
export function hvmArgs(program: GuestProgram): string[] {
  const args = ["--kernel", program.name, "--protocol", program.protocol];
  if (program.append !== undefined) args.push("--append", program.append);
  if (program.initrd !== undefined) args.push("--initrd", `${program.name}.initrd`);
  (program.modules ?? []).forEach(({ text }, i) =>
    args.push("--boot-module", `${program.name}.module${i},${text}`)
  );
  return args;
}

/** Writes one program's image, initrd and modules under the names {@linkcode hvmArgs} uses. */
export async function writeProgram(program: GuestProgram, folder: string): Promise<void> {
  await Deno.writeFile(`${folder}/${program.name}`, program.build());
  if (program.initrd !== undefined) await Deno.writeFile(`${folder}/${program.name}.initrd`, program.initrd);
  for (const [i, { content }] of (program.modules ?? []).entries()) {
    await Deno.writeFile(`${folder}/${program.name}.module${i}`, content);
  }
}

/** Writes all programs and the manifest. @returns its entries. */
export async function writeAll(folder: string): Promise<ManifestEntry[]> {
  await Deno.mkdir(folder, { recursive: true });
  const entries: ManifestEntry[] = [];
  for (const program of GUEST_PROGRAMS) {
    await writeProgram(program, folder);
    entries.push({
      name: program.name,
      file: program.name,
      args: hvmArgs(program),
      expect: program.expect,
      irqchips: program.irqchips,
      quirks: Object.fromEntries(program.irqchips.map((irqchip) => [irqchip, forbidding(program, irqchip)])),
      timeoutS: program.timeoutS,
    });
  }
  await Deno.writeTextFile(`${folder}/manifest.json`, `${JSON.stringify(entries, null, 2)}\n`);
  return entries;
}

if (import.meta.main) {
  const [folder] = Deno.args;
  if (folder === undefined) {
    Deno.stderr.writeSync(new TextEncoder().encode("Usage: write_all.ts FOLDER\n"));
    Deno.exit(2);
  }
  await writeAll(folder);
}
