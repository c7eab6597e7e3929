import assert from "node:assert/strict";
import { ConfigError, HostError } from "../base/errors.ts";
import { tinyModule } from "./_tiny_module.ts";
import type { CommandResult, RunCommand } from "./apt.ts";
import { debianGuest, parseDebianChoice } from "./debian.ts";
import { Progress } from "./progress.ts";

/** An archive: what each package depends on; kernel packages are made up by name. */
interface Archive {
  readonly packages: Record<string, { version: string; depends?: string }>;
  /** Packages the host's own lists do not have. */
  readonly unlisted?: readonly string[];
  /** Package versions that are gone from the archive. */
  readonly gone?: readonly string[];
  readonly compressed?: boolean;
  readonly hasXz?: boolean;
}

const BOOKWORM: Archive = {
  packages: {
    "linux-image-cloud-amd64": {
      version: "6.1.90-1",
      depends: "linux-image-6.1.0-9-cloud-amd64 (= 6.1.90-1)",
    },
    "linux-image-amd64": { version: "6.1.90-1", depends: "linux-image-6.1.0-9-amd64 (= 6.1.90-1)" },
    "linux-image-6.12-cloud-amd64": { version: "6.12.7-1", depends: "linux-image-6.12.7+deb12-cloud-amd64" },
    "linux-image-6.1.0-9-cloud-amd64": { version: "6.1.90-1" },
    "linux-image-6.1.0-9-amd64": { version: "6.1.90-1" },
    "linux-image-6.12.7+deb12-cloud-amd64": { version: "6.12.7-1" },
    "linux-image-6.7.9-cloud-amd64": { version: "6.7.9-1" },
    "linux-image-6.7.12-cloud-amd64": { version: "6.7.12-1" },
    "linux-image-6.7.12-cloud-amd64-unsigned": { version: "6.7.12-1" },
    "linux-image-6.7.13-rt-amd64": { version: "6.7.13-1" },
    "busybox-static": { version: "1:1.35.0-4" },
    "xz-utils": { version: "5.4" },
  },
};

const OK: CommandResult = { code: 0, stdout: "", stderr: "" };
const FAILED: CommandResult = { code: 100, stdout: "", stderr: "E: it failed\n" };

/** Plays apt, dpkg and xz over an archive; a package file holds its package's name. */
class FakeHost {
  readonly commands: string[] = [];
  readonly #archive: Archive;
  #updated = false;

  constructor(archive: Archive = BOOKWORM) {
    this.#archive = archive;
  }

  readonly run: RunCommand = async (command, args, options = {}) => {
    options.signal?.throwIfAborted();
    const verb = args.find((arg) => ["show", "pkgnames", "update", "download"].includes(arg)) ?? "";
    const subject = args.at(-1) ?? "";
    this.commands.push(`${command.replace(/^\/.*\//, "")} ${verb}`.trimEnd());
    if (verb === "show") return this.#show(subject);
    if (verb === "pkgnames") {
      return { ...OK, stdout: this.#listed().filter((name) => name.startsWith(subject)).join("\n") };
    }
    if (verb === "update") {
      this.#updated = true;
      return OK;
    }
    if (verb === "download") return await this.#download(subject, options.cwd ?? "");
    if (command === "dpkg-deb") return await this.#unpack(args[1] ?? "", args[2] ?? "");
    return await this.#xz(command, args);
  };

  #listed(): string[] {
    const hidden = this.#updated ? [] : this.#archive.unlisted ?? [];
    return Object.keys(this.#archive.packages).filter((name) => !hidden.includes(name));
  }

  #show(name: string): CommandResult {
    const found = this.#archive.packages[name];
    if (found === undefined || !this.#listed().includes(name)) return FAILED;
    const { version, depends = "" } = found;
    return { ...OK, stdout: `Package: ${name}\nVersion: ${version}\nDepends: ${depends}\nSize: 1048576\n\n` };
  }

  async #download(subject: string, directory: string): Promise<CommandResult> {
    if (!this.#updated && this.#archive.gone?.includes(subject)) return FAILED;
    const name = subject.split("=")[0] ?? "";
    await Deno.writeTextFile(`${directory}/${name}_v_amd64.deb`, name);
    return OK;
  }

  async #unpack(file: string, root: string): Promise<CommandResult> {
    const name = await Deno.readTextFile(file);
    const files: Record<string, Uint8Array> = { "usr/share/doc/readme": new Uint8Array(1) };
    if (name === "busybox-static") files["bin/busybox"] = Uint8Array.of(1, 2);
    if (name === "xz-utils") files["usr/bin/xz"] = Uint8Array.of(3);
    if (name.startsWith("linux-image-")) {
      const release = name.slice("linux-image-".length);
      const ending = this.#archive.compressed ? ".ko.xz" : ".ko";
      files[`boot/vmlinuz-${release}`] = new Uint8Array(1000);
      files[`lib/modules/${release}/kernel/virtio${ending}`] = tinyModule([]);
      files[`lib/modules/${release}/kernel/virtio_blk${ending}`] = tinyModule(["depends=virtio"]);
    }
    for (const [path, bytes] of Object.entries(files)) {
      await Deno.mkdir(`${root}/${path.slice(0, path.lastIndexOf("/"))}`, { recursive: true });
      await Deno.writeFile(`${root}/${path}`, bytes);
    }
    return OK;
  }

  async #xz(command: string, args: readonly string[]): Promise<CommandResult> {
    if (command === "xz" && this.#archive.hasXz === false) throw new Deno.errors.NotFound("xz");
    if (command !== "xz") await Deno.stat(command);
    for (const path of args.filter((arg) => arg.endsWith(".xz"))) await Deno.rename(path, path.slice(0, -3));
    return OK;
  }
}

async function withDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "hvm-debian-" });
  try {
    await body(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const progress = Progress.silent();
const names = (directory: string) => Array.from(Deno.readDirSync(directory), ({ name }) => name).sort();
const noCommands: RunCommand = (command) => Promise.reject(new Error(`ran ${command}`));

Deno.test("parseDebianChoice reads series and flavour and leaves paths alone", () => {
  assert.deepEqual(parseDebianChoice("debian"), { flavour: "cloud" });
  assert.deepEqual(parseDebianChoice("debian:6.12"), { series: "6.12", flavour: "cloud" });
  assert.deepEqual(parseDebianChoice("debian:6.1-generic"), { series: "6.1", flavour: "generic" });
  assert.deepEqual(parseDebianChoice("debian:generic"), { flavour: "generic" });
  for (const path of ["", "vmlinuz", "./debian", "debian.img", "debian/vmlinuz"]) {
    assert.equal(parseDebianChoice(path), undefined, path);
  }
  for (
    const bad of [
      "debian:",
      "debian:6",
      "debian:6.1.3",
      "debian:6.1-",
      "debian:rt",
      "debian:../x",
      "debian:6.1 ",
    ]
  ) {
    assert.throws(() => parseDebianChoice(bad), ConfigError, bad);
  }
});

Deno.test("debianGuest fetches the kernel behind the meta package, and busybox", async () => {
  await withDirectory(async (directory) => {
    const host = new FakeHost();
    const guest = await debianGuest({ flavour: "cloud" }, { directory, progress, run: host.run });
    const root = `${directory}/debian/linux-image-6.1.0-9-cloud-amd64_6.1.90-1`;
    assert.deepEqual(guest, {
      kernel: `${root}/boot/vmlinuz-6.1.0-9-cloud-amd64`,
      release: "6.1.0-9-cloud-amd64",
      version: "6.1.90-1",
      modulesDir: `${root}/lib/modules/6.1.0-9-cloud-amd64`,
      busybox: `${directory}/debian/busybox-static_1_1.35.0-4/bin/busybox`,
    });
    assert.equal(
      await Deno.readTextFile(`${guest.modulesDir}/modules.dep`),
      "kernel/virtio.ko:\nkernel/virtio_blk.ko: kernel/virtio.ko\n",
    );
    assert.ok(!host.commands.includes("apt-get update"));
    assert.deepEqual(names(`${directory}/debian`).filter((name) => name.startsWith(".")), []);
  });
});

Deno.test("debianGuest runs nothing once a guest was fetched, by either of its names", async () => {
  await withDirectory(async (directory) => {
    const first = await debianGuest({ flavour: "cloud" }, { directory, progress, run: new FakeHost().run });
    const offline = { directory, progress, run: noCommands };
    assert.deepEqual(await debianGuest({ flavour: "cloud" }, offline), first);
    assert.deepEqual(await debianGuest({ series: "6.1", flavour: "cloud" }, offline), first);
    await assert.rejects(debianGuest({ series: "6.12", flavour: "cloud" }, offline), /ran apt-cache/);
  });
});

Deno.test("debianGuest finds a series by its own meta package, by the default's, or by the newest kernel", async () => {
  for (
    const [series, flavour, expected] of [
      ["6.12", "cloud", "6.12.7+deb12-cloud-amd64"],
      ["6.1", "cloud", "6.1.0-9-cloud-amd64"],
      ["6.1", "generic", "6.1.0-9-amd64"],
      ["6.7", "cloud", "6.7.12-cloud-amd64"],
    ] as const
  ) {
    await withDirectory(async (directory) => {
      const guest = await debianGuest({ series, flavour }, { directory, progress, run: new FakeHost().run });
      assert.equal(guest.release, expected);
    });
  }
});

Deno.test("debianGuest takes fresh lists when the host's do not know the package, or name one that is gone", async () => {
  for (
    const archive of [
      { ...BOOKWORM, unlisted: Object.keys(BOOKWORM.packages) },
      { ...BOOKWORM, unlisted: ["busybox-static"] },
      { ...BOOKWORM, gone: ["linux-image-6.1.0-9-cloud-amd64=6.1.90-1"] },
    ]
  ) {
    await withDirectory(async (directory) => {
      const host = new FakeHost(archive);
      const guest = await debianGuest({ flavour: "cloud" }, { directory, progress, run: host.run });
      assert.equal(guest.release, "6.1.0-9-cloud-amd64");
      assert.equal(host.commands.filter((command) => command === "apt-get update").length, 1);
    });
  }
});

Deno.test("debianGuest decompresses modules with the host's xz or one fetched for it", async () => {
  for (const hasXz of [true, false]) {
    await withDirectory(async (directory) => {
      const host = new FakeHost({ ...BOOKWORM, compressed: true, hasXz });
      const { modulesDir } = await debianGuest({ flavour: "cloud" }, { directory, progress, run: host.run });
      assert.deepEqual(names(`${modulesDir}/kernel`), ["virtio.ko", "virtio_blk.ko"]);
      assert.equal(names(`${directory}/debian`).includes("xz-utils_5.4"), !hasXz);
    });
  }
});

Deno.test("debianGuest refuses a kernel that does not exist in one sentence", async () => {
  await withDirectory(async (directory) => {
    await assert.rejects(
      debianGuest({ series: "5.4", flavour: "cloud" }, { directory, progress, run: new FakeHost().run }),
      (error: unknown) =>
        error instanceof ConfigError &&
        error.message ===
          "Cannot find a cloud kernel 5.4 of Debian in apt's sources; give a kernel file with --kernel FILE",
    );
  });
});

Deno.test("debianGuest fetches again what was cut short", async () => {
  await withDirectory(async (directory) => {
    const options = () => ({ directory, progress, run: new FakeHost().run });
    const guest = await debianGuest({ flavour: "cloud" }, options());
    for (const path of [guest.kernel, guest.busybox]) {
      const whole = await Deno.readFile(path);
      await Deno.truncate(path, 0);
      assert.deepEqual(await debianGuest({ flavour: "cloud" }, options()), guest);
      assert.deepEqual(await Deno.readFile(path), whole);
    }
    for (const path of [`${guest.modulesDir}/modules.dep`, `${directory}/debian/cloud.json`]) {
      await Deno.remove(path);
      assert.deepEqual(await debianGuest({ flavour: "cloud" }, options()), guest);
    }
    await Deno.writeTextFile(`${directory}/debian/cloud.json`, "{");
    assert.deepEqual(await debianGuest({ flavour: "cloud" }, options()), guest);
  });
});

Deno.test("debianGuest leaves nothing half done when it is stopped at any command", async () => {
  await withDirectory(async (directory) => {
    const whole = new FakeHost();
    await debianGuest({ flavour: "cloud" }, { directory: `${directory}/whole`, progress, run: whole.run });
    for (let stopAt = 0; stopAt < whole.commands.length; stopAt++) {
      const controller = new AbortController();
      const host = new FakeHost();
      const run: RunCommand = async (command, args, options) => {
        if (host.commands.length === stopAt) controller.abort(new Error("stopped"));
        return await host.run(command, args, options);
      };
      const own = `${directory}/${stopAt}`;
      const options = { directory: own, progress, run, signal: controller.signal };
      await assert.rejects(debianGuest({ flavour: "cloud" }, options), /stopped/);
      const left = names(`${own}/debian`).filter((name) => name.startsWith(".") || name.endsWith(".json"));
      assert.deepEqual(left, [], `stopped at command ${stopAt}`);
    }
  });
});

Deno.test("debianGuest removes what a killed fetch left", async () => {
  await withDirectory(async (directory) => {
    await Deno.mkdir(`${directory}/debian/.tmp-dead/root`, { recursive: true });
    await debianGuest({ flavour: "cloud" }, { directory, progress, run: new FakeHost().run });
    assert.ok(!names(`${directory}/debian`).includes(".tmp-dead"));
  });
});

Deno.test("debianGuest fetches once when several ask at the same time", async () => {
  await withDirectory(async (directory) => {
    const host = new FakeHost();
    const guests = await Promise.all(
      Array.from(
        { length: 4 },
        () => debianGuest({ flavour: "cloud" }, { directory, progress, run: host.run }),
      ),
    );
    assert.equal(new Set(guests.map((guest) => guest.kernel)).size, 1);
    assert.equal(host.commands.filter((command) => command === "apt-get download").length, 2);
  });
});

Deno.test("debianGuest names the way out when the cache cannot be written", async () => {
  await withDirectory(async (directory) => {
    await Deno.writeTextFile(`${directory}/debian`, "");
    await assert.rejects(
      debianGuest({ flavour: "cloud" }, { directory, progress, run: new FakeHost().run }),
      (error: unknown) =>
        error instanceof HostError && error.errno !== "" && /set HVM_CACHE/.test(error.message),
    );
  });
});

/** The reason the real archive cannot be asked; undefined when it can. */
async function whyNoArchive(): Promise<string | undefined> {
  try {
    const args = ["indextargets", "--format", "$(SITE)"];
    const { stdout } = await new Deno.Command("apt-get", { args, stderr: "null" }).output();
    const site = new TextDecoder().decode(stdout).split("\n")[0] ?? "";
    const { hostname } = new URL(site);
    const addresses = await Deno.resolveDns(hostname, "A").catch(() => []);
    return addresses.length > 0 ? undefined : "the host apt is to ask does not resolve";
  } catch {
    return "this host has no apt, or apt has no sources";
  }
}

const NETWORK_TEST = "debianGuest fetches a real kernel and busybox with apt and the network";
const noArchive = await whyNoArchive();
// deno-lint-ignore no-console -- the run's output is where skips are looked for
if (noArchive !== undefined) console.log(`SKIP ${NETWORK_TEST}: ${noArchive}`);
Deno.test({
  name: NETWORK_TEST,
  ignore: noArchive !== undefined,
  fn: async () => {
    await withDirectory(async (directory) => {
      const guest = await debianGuest({ flavour: "cloud" }, { directory, progress });
      assert.match(guest.release, /^\d+\.\d+\..*-cloud-amd64$/);
      const kernel = await Deno.readFile(guest.kernel);
      // The magic of the setup header. [linux] Documentation/arch/x86/boot.rst, field "header"
      assert.equal(new TextDecoder().decode(kernel.subarray(0x202, 0x206)), "HdrS");
      const index = await Deno.readTextFile(`${guest.modulesDir}/modules.dep`);
      assert.match(index, /^kernel\/drivers\/block\/virtio_blk\.ko:/m);
      assert.deepEqual(
        await debianGuest({ flavour: "cloud" }, { directory, progress, run: noCommands }),
        guest,
      );
    });
  },
});
