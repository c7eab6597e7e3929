/**
 * `deno task lab svm|vmx`: runs `dist/hvm` on a real kvm_amd or kvm_intel, on a machine that may have neither.
 *
 * A software processor with SVM (QEMU) or VMX (Bochs) boots Debian's 6.1 cloud kernel, which loads KVM and runs the
 * checks of scripts/lab/checks.ts. It proves function, not speed.
 *
 * ```
 * deno task lab svm|vmx [--irqchip user|split|kernel|all] [--kernel 6.1|6.12|all|FILE]
 *                       [--guests] [--tests FILE,...] [--filter TEXT]
 *                       [--only PATTERN] [--script TEXT] [--limit SECONDS] [--hvm FILE] [--json FILE] [--verbose]
 * ```
 * `--guests` also runs the guest programs of tests/guests, `--tests` other test files, `--filter` those of either that
 * match. `--only` runs the checks whose names match a regular expression, `--script` shell commands in place of the checks.
 * Exit status: 0 when every check passed, 1 when one failed, 2 when the lab itself could not run.
 * @module
 */

import type { GuestFile } from "../firmware/initramfs.ts";
import { build } from "./build.ts";
import { type Check, labScript } from "./lab/check.ts";
import { bootChecks, infoChecks, IRQCHIPS, scriptCheck } from "./lab/checks.ts";
import { follow, type Verdict } from "./lab/follow.ts";
import { type LabBoot, type LabMachine, startSvm, startVmx } from "./lab/hosts.ts";
import { cacheFiles, fileFrom, KERNEL_LINES, labHost, labInitramfs, shellInitrd } from "./lab/image.ts";
import { type LabTests, testCheck } from "./lab/tests.ts";
import { ensurePrograms } from "./setup.ts";
import { optionsFrom, say } from "./tools.ts";

type Vendor = "svm" | "vmx";

const ROOT = new URL("..", import.meta.url).pathname;
/** What runs in the lab unless another executable is named; built afresh each time, which takes a second. */
const DEFAULT_HVM = `${ROOT}dist/hvm`;

/** What the lab knows of each machine: how it is started and how much slower than hardware its clock seems. */
const MACHINES: Record<Vendor, {
  readonly start: (boot: LabBoot) => LabMachine | Promise<LabMachine>;
  /** Seconds a guest may take to boot, by the lab's own clock. */
  readonly bootTimeout: number;
  /** Seconds here, without a word from the machine, after which it counts as dead. */
  readonly silence: number;
}> = {
  svm: { start: startSvm, bootTimeout: 120, silence: 300 },
  vmx: { start: startVmx, bootTimeout: 120, silence: 900 },
};

/** The tests that run the guest programs. */
const GUEST_TESTS = "tests/guests/guests_test.ts";

/** What ends the lab early, its machine first. */
const STOP_SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** Seconds commands given by `--script` may take. */
const SCRIPT_TIMEOUT = 900;

/** What one run of the lab is to do. */
interface LabPlan {
  readonly vendor: Vendor;
  readonly hvm: string;
  readonly irqchips: readonly string[];
  readonly kernels: readonly string[];
  /** Deno's tests to run besides; none when there are no files. */
  readonly tests: LabTests;
  /** Checks whose names match. */
  readonly only: RegExp;
  /** Shell commands in place of the checks; empty for the checks. */
  readonly script: string;
  /** Seconds here after which the lab is ended. */
  readonly limit: number;
  readonly verbose: boolean;
}

/** What is to be done in the lab. */
interface LabWork {
  readonly checks: readonly Check[];
  readonly files: readonly GuestFile[];
}

/** Builds the lab's initramfs for a plan. */
async function buildImage(plan: LabPlan, work: LabWork, scratch: string): Promise<LabBoot> {
  const host = await labHost();
  const files = [...work.files, ...await cacheFiles(plan.kernels.filter(isLine))];
  const given = plan.kernels.filter((kernel) => !isLine(kernel));
  for (const kernel of given) files.push(await fileFrom(`guests/${kernelName(kernel)}`, kernel));
  if (given.length > 0) files.push({ name: "guests/initrd", bytes: await shellInitrd(host) });
  const { vendor, hvm } = plan;
  const initramfs = `${scratch}/lab.cpio`;
  await Deno.writeFile(
    initramfs,
    await labInitramfs({ host, vendor, hvm, script: labScript(work.checks), files }),
  );
  return { kernel: host.kernel, initramfs, scratch, memory: 2048 };
}

/** The checks of a plan and the files they need. */
async function planWork(plan: LabPlan): Promise<LabWork> {
  if (plan.script !== "") return { checks: [scriptCheck(plan.script, SCRIPT_TIMEOUT)], files: [] };
  const timeout = MACHINES[plan.vendor].bootTimeout;
  const boots = plan.kernels.flatMap((kernel) =>
    plan.irqchips.flatMap((irqchip) =>
      bootChecks({ kernel: kernelName(kernel), line: isLine(kernel), irqchip, timeout })
    )
  );
  const own = [...infoChecks(plan.vendor), ...boots].filter((check) => plan.only.test(check.name));
  if (plan.tests.files.length === 0) return { checks: own, files: [] };
  const { check, files } = await testCheck(plan.tests);
  return { checks: [...own, check], files };
}

/** Runs the checks and judges them. */
async function runLab(plan: LabPlan): Promise<Verdict[]> {
  const work = await planWork(plan);
  const { checks } = work;
  const scratch = await Deno.makeTempDir({ prefix: "hvm-lab-" });
  try {
    const boot = await buildImage(plan, work, scratch);
    say(`Booting the ${plan.vendor} lab for ${checks.length} checks ...`);
    const { start, silence } = MACHINES[plan.vendor];
    const machine = await start(boot);
    const stop = () => machine.end();
    for (const signal of STOP_SIGNALS) Deno.addSignalListener(signal, stop);
    try {
      return await follow(machine, checks, { silence, limit: plan.limit, verbose: plan.verbose });
    } finally {
      for (const signal of STOP_SIGNALS) Deno.removeSignalListener(signal, stop);
      await machine.end();
    }
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

/** A kernel given as a file is known by the file's name. */
function kernelName(kernel: string): string {
  return kernel.slice(kernel.lastIndexOf("/") + 1);
}

/** Whether a kernel is one hvm fetches by name. */
function isLine(kernel: string): boolean {
  return KERNEL_LINES.includes(kernel);
}

/** Reads the command line. */
function readPlan(args: readonly string[]): { plan: LabPlan; json: string } {
  const { options, words } = optionsFrom(args, {
    irqchip: "all",
    kernel: "6.1",
    guests: false,
    tests: "",
    filter: "",
    hvm: DEFAULT_HVM,
    only: "",
    script: "",
    limit: "3600",
    json: "",
    verbose: false,
  });
  const [vendor, ...more] = words;
  if ((vendor !== "svm" && vendor !== "vmx") || more.length > 0) {
    throw new Error("Which lab: deno task lab svm, or deno task lab vmx?");
  }
  const irqchips = options.irqchip === "all" ? IRQCHIPS : options.irqchip.split(",");
  const unknown = irqchips.find((irqchip) => !IRQCHIPS.includes(irqchip));
  if (unknown !== undefined) {
    throw new Error(`There is no irqchip ${unknown}; there are ${IRQCHIPS.join(", ")}`);
  }
  const kernels = options.kernel === "all" ? KERNEL_LINES : options.kernel.split(",");
  const { hvm, script, json } = options;
  const files = [
    ...(options.guests ? [GUEST_TESTS] : []),
    ...options.tests.split(",").filter((file) => file !== ""),
  ];
  // The names of the guest programs' tests end with the mode.
  const modes = options.guests && options.irqchip !== "all" ? `/ with irqchip (${irqchips.join("|")})$/` : "";
  const tests = { files, filter: options.filter || modes };
  const limit = Number(options.limit);
  if (!(limit > 0)) throw new Error(`Cannot use --limit ${options.limit}: it is a number of seconds`);
  const only = new RegExp(options.only);
  const verbose = options.verbose || script !== "";
  return { plan: { vendor, hvm, irqchips, kernels, tests, only, script, limit, verbose }, json };
}

if (import.meta.main) {
  try {
    const { plan, json } = readPlan(Deno.args);
    await ensurePrograms(plan.vendor);
    if (plan.hvm === DEFAULT_HVM) {
      say("Building dist/hvm ...");
      await build({ entry: `${ROOT}main.ts`, output: DEFAULT_HVM });
    }
    const verdicts = await runLab(plan);
    const failed = verdicts.filter((verdict) => verdict.reason !== undefined).length;
    const skipped = verdicts.filter((verdict) => verdict.skipped !== undefined).length;
    const passed = verdicts.length - failed - skipped;
    if (json !== "") {
      const { vendor, irqchips, kernels } = plan;
      const summary = { vendor, irqchips, kernels, passed, failed, skipped };
      await Deno.writeTextFile(json, JSON.stringify({ ...summary, checks: verdicts }, null, 2) + "\n");
    }
    say(`${passed} passed, ${failed} failed, ${skipped} skipped`);
    Deno.exit(failed === 0 ? 0 : 1);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(2);
  }
}
