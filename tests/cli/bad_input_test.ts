/**
 * Bad input: each gets one clear sentence on standard error, nothing on standard output, and its exit status.
 */

import assert from "node:assert/strict";
import { hvm, PROGRAM, Running } from "./rig.ts";

/** Arguments, status, and the sentence without `hvm: `. */
type Row = readonly [args: string[], status: number, sentence: string | RegExp];

/** The sentence alone: one line, and nothing else anywhere. */
async function refuses(rows: readonly Row[], cwd?: string): Promise<void> {
  for (const [args, status, sentence] of rows) {
    const said = await hvm("hvm", args, cwd === undefined ? {} : { cwd });
    const shown = `hvm ${args.join(" ")}\n${said.errors}`;
    assert.match(said.errors, /^hvm: [^\n]+\n$/, shown);
    const line = said.errors.slice("hvm: ".length, -1);
    if (typeof sentence === "string") assert.equal(line, sentence, shown);
    else assert.match(line, sentence, shown);
    assert.equal(said.out, "", shown);
    assert.equal(said.status, status, shown);
  }
}

Deno.test("hvm refuses what it does not know, and says what was meant", async () => {
  await refuses([
    [["rum"], 125, "There is no command rum, did you mean run?"],
    [["frobnicate"], 125, "There is no command frobnicate; hvm --help shows what there is"],
    [["--nope"], 125, "There is no option --nope here; hvm --help shows what there is"],
    [["run", "--memroy", "1G"], 125, "There is no option --memroy, did you mean --memory?"],
    [["run", "--on-rebot", "exit"], 125, "There is no option --on-rebot, did you mean --on-reboot?"],
    [["run", "--frobnicate"], 125, "There is no option --frobnicate"],
    [["run", "--constructor", "1"], 125, "There is no option --constructor"],
    [["run", "-x"], 125, "There is no option -x"],
    [["run", "--memory"], 125, "Cannot use --memory without a value"],
    [["run", "--memory", "--cpus", "1"], 125, "Cannot use --memory without a value"],
    [["run", "--memory", "1G", "--memory", "2G"], 125, "Cannot use --memory twice"],
    [
      ["run", "bzImage"],
      125,
      'Cannot use the argument "bzImage": hvm run takes a kernel after --kernel, and a command for the guest after --',
    ],
    [["info", "--", "ls"], 125, "Cannot take arguments after -- here: they are for hvm run"],
    [["completions", "tcsh"], 125, "Cannot print completions for tcsh: there are bash, zsh, fish"],
    [["completions"], 125, "Cannot do that without an argument: bash|zsh|fish"],
  ]);
});

Deno.test("hvm run refuses bad values", async () => {
  await refuses([
    [["run", "--memory", "0"], 125, "Cannot use --memory 0: 0 bytes is too little, the least is 1M"],
    [["run", "--memory", "1"], 125, "Cannot use --memory 1: 1 byte is too little, the least is 1M"],
    [["run", "--memory", "-1"], 125, "Cannot use --memory -1: memory cannot be negative"],
    [["run", "--memory=-5M"], 125, "Cannot use --memory -5M: memory cannot be negative"],
    [["run", "--memory", "900T"], 125, /^Cannot use --memory 900T: the host has \d+(\.\d)?[GM]$/],
    [
      ["run", "--memory", "512Q"],
      125,
      "Cannot use --memory 512Q: there is no unit Q; units are K, M, G and T (powers of 1024)",
    ],
    [["run", "--memory", ""], 125, 'Cannot use --memory "": it is not a size such as 512M or 2G'],
    [["run", "--cpus", "0"], 125, "Cannot use --cpus 0: a machine has at least one CPU"],
    [["run", "--cpus", "1000"], 125, "Cannot use --cpus 1000: a machine has at most 255 CPUs"],
    [["run", "--cpus", "2"], 125, "Cannot use --cpus 2: this version runs one CPU for now"],
    [["run", "--cpus", "many"], 125, "Cannot use --cpus many: it is not a whole number"],
    [["run", "--engine", "warp"], 125, "Cannot use --engine warp: it is auto, kvm or soft"],
    [
      ["run", "--engine", "soft", "--irqchip", "split"],
      125,
      "Cannot use --irqchip split: engine soft has user here; take one of them or auto",
    ],
    [["run", "--serial", "tcp:1"], 125, "Cannot use --serial tcp:1: it is stdio, null or file:PATH"],
    [["run", "--timeout", "0"], 125, "Cannot use --timeout 0s: a time is more than nothing"],
    [
      ["run", "--timeout", "5 days"],
      125,
      'Cannot use --timeout "5 days": there is no unit days; units are ms, s, m and h',
    ],
    [["run", "--kernel", ""], 125, /^Cannot use --kernel "": it is empty; /],
    [
      ["run", "--kernel", "debian:lenny"],
      125,
      /^Cannot use --kernel debian:lenny: default guests are named as /,
    ],
    [
      ["run", "--kernel", "vmlinux", "--", "ls"],
      125,
      "Cannot use the command after --: only the default guest takes it, and there is a kernel of your own",
    ],
  ]);
});

Deno.test("hvm run refuses devices that are not there yet", async () => {
  await refuses([
    [["run", "--disk", "a.img"], 125, "Cannot use --disk a.img: disks are not there yet in this version"],
    [
      ["run", "--cdrom", "a.iso"],
      125,
      "Cannot use --cdrom a.iso: the CD-ROM drive is not there yet in this version",
    ],
    [
      ["run", "--nic", "virtio"],
      125,
      "Cannot use --nic virtio: network cards are not there yet in this version",
    ],
    [["run", "--net", "user"], 125, "Cannot use --net user: the network is not there yet in this version"],
    [
      ["run", "--firmware", "builtin"],
      125,
      "Cannot use --firmware builtin: firmware is not there yet in this version",
    ],
    [
      ["run", "--gdb", "70000"],
      125,
      "Cannot use --gdb 70000: a port is 1 to 65535",
    ],
  ]);
});

async function inDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "hvm-bad-" });
  try {
    await work(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("hvm run names the field of a configuration file that is wrong", async () => {
  await inDirectory(async (directory) => {
    const files: [string, string | Uint8Array, string | RegExp][] = [
      [
        "type.json",
        '{"memory": true}',
        "Cannot use memory true in type.json: it is not a size such as 512M or 2G",
      ],
      [
        "deep.json",
        '{"kernel": "k", "bootModules": [{"file": 5}]}',
        "Cannot use bootModules.0.file 5 in deep.json: it is the path of a file, as text",
      ],
      [
        "field.json",
        '{"memroy": "1G"}',
        "Cannot use memroy 1G in field.json: there is no such field, did you mean memory?",
      ],
      ["cpus.json", '{"cpus": "1"}', "Cannot use cpus 1 in cpus.json: it is not a whole number"],
      [
        "time.json",
        '{"timeout": "60"}',
        "Cannot use timeout 60 in time.json: it has no unit; units are ms, s, m and h",
      ],
      ["list.json", "[]", "Cannot read the configuration list.json: it holds no object"],
      [
        "syntax.json",
        '{"memory": "1G"\n "cpus": 1}',
        /^Cannot read the configuration syntax\.json: expected .*line 2/,
      ],
      ["empty.json", "", /^Cannot read the configuration empty\.json: unexpected end/],
      [
        "bytes.json",
        Uint8Array.of(0xff, 0xfe),
        "Cannot read the configuration bytes.json: it is not text in UTF-8",
      ],
    ];
    for (const [name, content, sentence] of files) {
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      await Deno.writeFile(`${directory}/${name}`, bytes);
      await refuses([[["run", "--config", name], 125, sentence]], directory);
    }
    await refuses([
      [
        ["run", "--config", "missing.json"],
        125,
        "Cannot read the configuration missing.json: there is no such file",
      ],
      [["run", "--config", "."], 125, "Cannot read the configuration .: it is a directory"],
      [
        ["run", "--config", "type.json", "--memory", "0"],
        125,
        "Cannot use --memory 0: 0 bytes is too little, the least is 1M",
      ],
    ], directory);
  });
});

Deno.test("hvm run says what is wrong with a kernel or initrd: 126", async () => {
  await inDirectory(async (directory) => {
    await Deno.writeFile(`${directory}/empty`, new Uint8Array());
    await Deno.writeTextFile(`${directory}/text`, "hello world\n");
    await Deno.writeTextFile(`${directory}/secret`, "x");
    await Deno.chmod(`${directory}/secret`, 0);
    await refuses([
      [["run", "--kernel", "missing"], 126, "Cannot read kernel missing: there is no such file"],
      [["run", "--kernel", "empty"], 126, "Cannot read kernel empty: it is empty"],
      [["run", "--kernel", "."], 126, "Cannot read kernel .: it is a directory"],
      [
        ["run", "--kernel", "empty/x"],
        126,
        "Cannot read kernel empty/x: a part of its path is not a directory",
      ],
      [["run", "--kernel", "/dev/zero"], 126, "Cannot read kernel /dev/zero: it is not a file"],
      [["run", "--kernel", "text"], 126, /not a kernel/],
    ], directory);
  });
});

Deno.test("hvm run says that a kernel may not be read", async () => {
  await inDirectory(async (directory) => {
    await Deno.writeTextFile(`${directory}/secret`, "x");
    await Deno.chmod(`${directory}/secret`, 0);
    // Root reads anything; without these capabilities it is a user like any other, who still owns /dev/kvm.
    const less = "-dac_override,-dac_read_search";
    const plain = Deno.uid() === 0 ? ["setpriv", `--bounding-set=${less}`, `--inh-caps=${less}`] : [];
    await using running = new Running(
      [
        ...plain,
        Deno.execPath(),
        "run",
        "-A",
        "--no-check",
        "--quiet",
        PROGRAM.hvm,
        "run",
        "--kernel",
        "secret",
      ],
      { keepInput: false, cwd: directory },
    );
    assert.deepEqual(await running.end(), {
      status: 126,
      out: "",
      errors: "hvm: Cannot read kernel secret: you may not (EACCES)\n",
    });
  });
});

const KVM_TEST = "hvm run says to an ordinary user that /dev/kvm may not be used, and what to do";
const kvmReason = reasonAgainstKvmTest();

function reasonAgainstKvmTest(): string | undefined {
  if (Deno.uid() !== 0) return "only root can try as another user";
  try {
    return ((Deno.statSync("/dev/kvm").mode ?? 0) & 0o006) === 0
      ? undefined
      : "everybody may use /dev/kvm here";
  } catch {
    return "there is no /dev/kvm";
  }
}

// deno-lint-ignore no-console -- the run's output is where skips are looked for
if (kvmReason !== undefined) console.log(`SKIP ${KVM_TEST}: ${kvmReason}`);

Deno.test({
  name: KVM_TEST,
  ignore: kvmReason !== undefined,
  async fn() {
    await inDirectory(async (directory) => {
      // Another user has no cache of packages, so the program is bundled.
      const bundle = ["bundle", "--quiet", "--platform", "deno", "-o", `${directory}/hvm.js`, PROGRAM.hvm];
      assert.ok((await new Deno.Command(Deno.execPath(), { args: bundle, stderr: "null" }).output()).success);
      await Deno.writeFile(`${directory}/kernel`, Uint8Array.of(0x90));
      await Deno.mkdir(`${directory}/cache`);
      await Deno.chmod(`${directory}/cache`, 0o777);
      await Deno.chmod(directory, 0o755);
      const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
      const words = [
        "run",
        "-A",
        "--no-config",
        "--quiet",
        "--ext=js",
        "hvm.js",
        "run",
        "--engine",
        "kvm",
        "--kernel",
        "kernel",
      ];
      await using running = new Running([...nobody, Deno.execPath(), ...words], {
        env: { DENO_DIR: `${directory}/cache`, HOME: `${directory}/cache` },
        keepInput: false,
        cwd: directory,
      });
      const { status, out, errors } = await running.end();
      assert.match(errors, /^hvm: Cannot use \/dev\/kvm: permission denied; [^\n]*kvm[^\n]*\n$/);
      assert.equal(out, "");
      assert.equal(status, 125);
    });
  },
});
