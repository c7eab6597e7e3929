/**
 * What is documented: every name the four public doors export has a description, the examples in the documentation
 * type-check, and the changelog has its form (https://keepachangelog.com).
 * @module
 */

import { run, say } from "./tools.ts";

/** The modules outsiders import. */
const DOORS = ["hvm/mod.ts", "devices/mod.ts", "acpi/mod.ts", "firmware/mod.ts"];

/** The part of `deno doc --json` that is read here. */
interface DocNode {
  readonly name?: string;
  readonly declarations?: readonly { readonly jsDoc?: { readonly doc?: string } }[];
  readonly jsDoc?: { readonly doc?: string };
}

/** Names a door exports without a word on them. */
export async function undocumented(door: string): Promise<string[]> {
  const parsed = JSON.parse(await run([Deno.execPath(), "doc", "--json", door]));
  const nodes: DocNode[] = Array.isArray(parsed.nodes)
    ? parsed.nodes
    : Object.values(parsed.nodes as Record<string, { symbols: DocNode[] }>).flatMap((module) =>
      module.symbols
    );
  return nodes.filter((node) => {
    const docs = [node.jsDoc, ...(node.declarations ?? []).map((one) => one.jsDoc)];
    return node.name !== undefined && !docs.some((one) => (one?.doc ?? "").trim() !== "");
  }).map((node) => `${door} exports ${node.name}, which has no description`);
}

/**
 * Checks the changelog's form.
 *
 * @returns what is wrong.
 */
export function changelogFaults(text: string, version: string): string[] {
  const faults: string[] = [];
  const headings = text.split("\n").filter((line) => line.startsWith("## "));
  const kinds = text.split("\n").filter((line) => line.startsWith("### ")).map((line) => line.slice(4));
  if (!text.startsWith("# Changelog\n")) faults.push("CHANGELOG.md does not begin with # Changelog");
  if (headings[0] !== "## [Unreleased]") faults.push("CHANGELOG.md does not have [Unreleased] first");
  for (const heading of headings.slice(1)) {
    const form = /^## \[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}$/.test(heading);
    if (!form) faults.push(`CHANGELOG.md: "${heading}" is not [version] - date`);
  }
  const released = headings.find((heading) => /\[\d/.test(heading))?.match(/\[(.+?)\]/)?.[1];
  if (released !== undefined && released !== version) {
    faults.push(`CHANGELOG.md ends at ${released}, deno.json says ${version}`);
  }
  const known = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"];
  for (const kind of kinds.filter((kind) => !known.includes(kind))) {
    faults.push(`CHANGELOG.md: "${kind}" is none of ${known.join(", ")}`);
  }
  return faults;
}

/**
 * Checks the documentation.
 *
 * @returns whether nothing is missing.
 */
export async function checkDocs(): Promise<boolean> {
  const doors: string[] = [];
  for (const door of DOORS) {
    const there = await Deno.stat(door).then(() => true, () => false);
    if (there) doors.push(door);
    else say(`${door} does not exist`);
  }
  const faults = (await Promise.all(doors.map(undocumented))).flat();
  const version = JSON.parse(await Deno.readTextFile("deno.json")).version;
  faults.push(...changelogFaults(await Deno.readTextFile("CHANGELOG.md"), version));
  try {
    await run([Deno.execPath(), "check", "--quiet", "--doc-only", "README.md", ...doors]);
  } catch (error) {
    faults.push(error instanceof Error ? error.message : String(error));
  }
  for (const fault of faults) say(fault);
  return faults.length === 0 && doors.length === DOORS.length;
}

if (import.meta.main) {
  Deno.chdir(new URL("..", import.meta.url));
  Deno.exit(await checkDocs() ? 0 : 1);
}
