/**
 * The checks of the lab: what hvm must do on a KVM with hardware virtualization.
 * @module
 */

import type { Check, CheckResult } from "./check.ts";

/** The irqchip modes there are. */
export const IRQCHIPS: readonly string[] = ["user", "split", "kernel"];

/** hvm starts, finds KVM and says which engine it takes. */
export function infoChecks(vendor: "svm" | "vmx"): Check[] {
  return [
    { name: "version", script: "hvm --version", timeout: 120, judge: expectStatus(0) },
    {
      name: "info",
      script: "hvm info",
      timeout: 120,
      judge: all(expectStatus(0), expectText(new RegExp(`\\b${vendor}\\b`))),
    },
  ];
}

/** Commands somebody wants to try; their status is judged. */
export function scriptCheck(script: string, timeout: number): Check {
  return { name: "script", script, timeout, judge: expectStatus(0) };
}

/**
 * What a healthy guest's kernel never says. The one warning let pass is the svm lab's own: QEMU's software CPU does not
 * hand XSETBV to KVM, so KVM does not bring leaf Dh of CPUID up to date, and Linux notices.
 */
const GUEST_TROUBLE =
  /Kernel panic|BUG: |nobody cared|unable to handle|soft lockup|WARNING: CPU(?!.*init_system_xstate)/;

/** One kernel under one irqchip mode. */
export interface BootCase {
  /** `6.1`, or the name of a file in /guests. */
  readonly kernel: string;
  /** Whether hvm knows the kernel by name and makes its initrd itself. */
  readonly line: boolean;
  readonly irqchip: string;
  /** Seconds. */
  readonly timeout: number;
}

/** The kernel reaches a shell; commands are typed to it; it powers off. hvm's own guest also runs a command. */
export function bootChecks(boot: BootCase): Check[] {
  const { kernel, line, irqchip, timeout } = boot;
  const what = line
    ? `--kernel debian:${kernel}`
    : `--kernel /guests/${kernel} --initrd /guests/initrd --append console=ttyS0`;
  const start = `hvm run ${what} --irqchip ${irqchip} --timeout ${timeout}`;
  const shell: Check = {
    name: `shell:${kernel}:${irqchip}`,
    timeout: timeout + 30,
    script: shellScript(start),
    judge: all(
      expectStatus(0),
      expectText(/^sum is 42$/m),
      line ? expectText(new RegExp(`^release ${kernel.replaceAll(".", "\\.")}\\.\\d`, "m")) : () => undefined,
      expectText(/^last one$/m),
      expectText(/"end":\s*"poweroff"/),
      refuseText(GUEST_TROUBLE),
    ),
  };
  const command: Check = {
    name: `command:${kernel}:${irqchip}`,
    timeout: timeout + 30,
    script: `${start} --json /tmp/result.json -- sh -c 'echo guest says $((40 + 2)); exit 7'
status=$?
cat /tmp/result.json
exit $status`,
    judge: all(expectStatus(7), expectText(/^guest says 42$/m), expectText(/"end":\s*"command"/)),
  };
  return line ? [shell, command] : [shell];
}

/** Types to the shell only after it has asked, as a person would. */
function shellScript(start: string): string {
  return `trap '' PIPE # typing to a program that has ended is not what fails
mkfifo /tmp/keys
${start} --json /tmp/result.json < /tmp/keys > /tmp/console 2>&1 &
hvm=$!
exec 3> /tmp/keys
wait_for() {
  until grep -q "$1" /tmp/console; do
    kill -0 $hvm 2> /dev/null || break
    sleep 0.2
  done
}
wait_for '~ # '
echo 'echo sum is $((6 * 7)); echo release $(uname -r); grep -c ^processor /proc/cpuinfo' >&3
wait_for '^sum is 42'
echo 'dmesg | grep -iE "clocksource: Switched|pani[c]|BU[G]:|WARNIN[G]|nobody care[d]"; grep -E "timer|ttyS0|LOC|acpi" /proc/interrupts; echo last one' >&3
wait_for '^last one'
echo 'poweroff -f' >&3
wait $hvm
status=$?
exec 3>&-
rm /tmp/keys
cat /tmp/console
echo
echo "result: $(cat /tmp/result.json)"
exit $status`;
}

type Judge = Check["judge"];

function all(...judges: Judge[]): Judge {
  return (result: CheckResult) => judges.map((judge) => judge(result)).find((word) => word !== undefined);
}

function expectStatus(status: number): Judge {
  return (result) =>
    result.status === status ? undefined : `status ${result.status} where ${status} was expected`;
}

function expectText(pattern: RegExp): Judge {
  return (result) => pattern.test(result.output) ? undefined : `nothing printed matches ${pattern}`;
}

function refuseText(pattern: RegExp): Judge {
  return (result) => {
    const found = result.output.match(pattern)?.[0];
    return found === undefined ? undefined : `the console shows "${found}"`;
  };
}
