/**
 * Who may import whom. Reads the module graph as `deno info --json` gives it and fails on any arrow that is not in
 * the table below, and on any cycle. Tests and their rigs may import what they test and are not looked at.
 * @module
 */

import { run, say } from "./tools.ts";

/** What one part of the tree may import besides itself. */
interface Layer {
  /** The folder or file; of several that match a module, the longest is its layer. */
  readonly path: string;
  /** Folders and files it may import. */
  readonly code: readonly string[];
  /** Those it may import types from only. */
  readonly types?: readonly string[];
  /** Packages and platform modules, by the beginning of the name. */
  readonly packages?: readonly string[];
}

const ZOD = ["npm:zod@", "npm:/zod@"];

/** The layers, from the top down. */
export const LAYERS: readonly Layer[] = [
  { path: "main.ts", code: ["hvm/cli", "hvm/machine/vcpu_thread.ts"] },
  {
    path: "hvm/mod.ts",
    code: ["hvm/script", "hvm/machine", "hvm/base"],
    types: ["hvm/io", "hvm/vendor/ops.ts"],
  },
  {
    path: "hvm/cli",
    code: [
      "hvm/script",
      "hvm/machine",
      "hvm/vendor/probe.ts",
      "hvm/host",
      "hvm/x86",
      "hvm/base",
      "deno.json",
    ],
    types: ["hvm/vendor/ops.ts"],
    packages: ["npm:@stricli/core@", "npm:/@stricli/core@", "node:", ...ZOD],
  },
  {
    path: "hvm/script",
    code: ["hvm/machine", "hvm/gdb", "hvm/vcpu", "hvm/host", "hvm/base"],
    types: ["hvm/io", "hvm/vendor/ops.ts"],
  },
  {
    path: "hvm/machine",
    // hvm/kvm: the VM, its memory slots and the kick are made here, for whichever vendor's table it is.
    code: [
      "hvm/gdb",
      "hvm/vcpu",
      "hvm/vendor",
      "hvm/kvm",
      "hvm/host",
      "hvm/io",
      "hvm/x86",
      "hvm/base",
      "devices",
      "acpi",
      "firmware",
    ],
    packages: ZOD,
  },
  { path: "hvm/gdb", code: ["hvm/vcpu", "hvm/x86", "hvm/base"] },
  { path: "hvm/vcpu", code: ["hvm/io", "hvm/x86", "hvm/base", "hvm/vendor/ops.ts"] },
  { path: "hvm/vendor", code: ["hvm/vendor/ops.ts", "hvm/x86", "hvm/kvm", "hvm/sys", "hvm/base"] },
  { path: "hvm/vendor/ops.ts", code: ["hvm/x86", "hvm/base"] },
  { path: "hvm/kvm", code: ["hvm/sys", "hvm/base"] },
  { path: "hvm/host", code: ["hvm/sys", "hvm/base"], packages: ["node:"] },
  { path: "hvm/sys", code: ["hvm/base"] },
  { path: "devices", code: ["hvm/io", "hvm/base"], packages: ZOD },
  { path: "acpi", code: ["hvm/base"], types: ["hvm/io/resources.ts"] },
  { path: "firmware", code: ["hvm/x86/state.ts", "hvm/base"], packages: ["node:zlib"] },
  { path: "hvm/x86", code: ["hvm/base"] },
  { path: "hvm/io", code: ["hvm/base"], packages: ZOD },
  { path: "hvm/base", code: [] },
  { path: "hvm/testing/kvm.ts", code: ["hvm/kvm", "hvm/sys", "hvm/vendor", "hvm/base"] },
  { path: "hvm/testing", code: ["hvm/io", "hvm/base"], packages: ["node:assert/strict"] },
];

/** One import of the graph. */
interface Arrow {
  readonly from: string;
  readonly to: string;
  readonly typesOnly: boolean;
}

/** The part of `deno info --json` that is read here. */
interface Graph {
  readonly roots: readonly string[];
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly {
      readonly specifier: string;
      readonly code?: { readonly specifier?: string };
      readonly type?: { readonly specifier?: string };
      readonly isTypeOnly?: boolean;
    }[];
  }[];
}

/** Whether a path is a folder's or lies in it. */
function within(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

/** The layer of a module; undefined for tests and scripts, which may import anything. */
export function layerOf(path: string): Layer | undefined {
  const matches = LAYERS.filter((layer) => within(path, layer.path));
  return matches.sort((a, b) => b.path.length - a.path.length)[0];
}

/**
 * Judges one import.
 *
 * @returns what is wrong with it, or nothing.
 */
export function judgeArrow({ from, to, typesOnly }: Arrow): string | undefined {
  const layer = layerOf(from);
  if (layer === undefined) return undefined;
  if (/^(npm|node|jsr|https?):/.test(to)) {
    const allowed = typesOnly || (layer.packages ?? []).some((name) => to.startsWith(name));
    return allowed ? undefined : `${from} imports ${to}, which ${layer.path} may not`;
  }
  if (layerOf(to) === layer || layer.code.some((folder) => within(to, folder))) return undefined;
  if (!(layer.types ?? []).some((folder) => within(to, folder))) {
    return `${from} imports ${to}, which ${layer.path} may not`;
  }
  return typesOnly ? undefined : `${from} imports ${to}, of which ${layer.path} may import types only`;
}

/**
 * Finds cycles.
 *
 * @returns each as the modules along it, the first again at the end.
 */
export function findCycles(arrows: readonly Arrow[]): string[][] {
  const targets = new Map<string, string[]>();
  for (const { from, to } of arrows) targets.set(from, [...targets.get(from) ?? [], to]);
  const finished = new Set<string>();
  const cycles: string[][] = [];
  const walk = (module: string, trail: readonly string[]): void => {
    const before = trail.indexOf(module);
    if (before >= 0) {
      cycles.push([...trail.slice(before), module]);
      return;
    }
    if (finished.has(module)) return;
    for (const target of targets.get(module) ?? []) walk(target, [...trail, module]);
    finished.add(module);
  };
  for (const module of targets.keys()) walk(module, []);
  return cycles;
}

/** The arrows between the project's own modules and out of it, tests left out. */
export async function readArrows(root: string): Promise<Arrow[]> {
  const files = (await sourceFiles(root)).filter((file) =>
    !/_(test|rig)\.ts$/.test(file) && layerOf(file) !== undefined
  );
  const scratch = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(scratch, files.map((file) => `import "file://${root}${file}";\n`).join(""));
    const args = ["info", "--json", "--no-lock", "--config", `${root}deno.json`, scratch];
    const graph: Graph = JSON.parse(await run([Deno.execPath(), ...args]));
    const prefix = `file://${root}`;
    return graph.modules.filter((module) => module.specifier.startsWith(prefix)).flatMap((module) =>
      (module.dependencies ?? []).map((dependency) => ({
        from: module.specifier.slice(prefix.length),
        to: (dependency.code?.specifier ?? dependency.type?.specifier ?? dependency.specifier).replace(
          prefix,
          "",
        ),
        typesOnly: dependency.code === undefined,
      }))
    );
  } finally {
    await Deno.remove(scratch);
  }
}

/** All TypeScript files under version control or new, as paths from the root. */
export async function sourceFiles(root: string): Promise<string[]> {
  const listed = await run(["git", "ls-files", "-co", "--exclude-standard", "*.ts"], { cwd: root });
  const files = listed.split("\n").filter((file) => file !== "");
  return files.filter((file) => {
    try {
      return Deno.statSync(`${root}${file}`).isFile;
    } catch {
      return false; // deleted, and not yet committed so
    }
  });
}

/**
 * Checks the tree.
 *
 * @returns whether it keeps the rules.
 */
export async function checkLayers(): Promise<boolean> {
  const arrows = await readArrows(new URL("..", import.meta.url).pathname);
  const wrong = arrows.map(judgeArrow).filter((word) => word !== undefined);
  const cycles = findCycles(arrows).map((cycle) => `modules import each other: ${cycle.join(" -> ")}`);
  for (const word of new Set([...wrong, ...cycles])) say(word);
  return wrong.length + cycles.length === 0;
}

if (import.meta.main) Deno.exit(await checkLayers() ? 0 : 1);
