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

/** Debian's kernel reaches a shell; commands are typed to it; it powers off. */
export function bootChecks(options: { kernel: string; irqchip: string; timeout: number }): Check[] {
  const { kernel, irqchip, timeout } = options;
  const start = `hvm run --kernel /guests/vmlinuz-${kernel} --initrd /guests/initrd --append console=ttyS0 ` +
    `--memory 512M --irqchip ${irqchip} --timeout ${timeout}`;
  return [
    {
      name: `boot:${kernel}:${irqchip}`,
      timeout: timeout + 30,
      // The shell is typed to only after it has asked, as a person would.
      script: `trap '' PIPE # a shell that types to a program that has ended is not the check's failure
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
echo 'echo sum is $((6 * 7)); uname -r; cat /proc/cpuinfo | grep -c ^processor' >&3
wait_for 'sum is 42'
echo 'dmesg | grep -i -e "clocksource: Switched" -e "panic" -e "BUG:" -e "WARNING"; grep -e timer -e ttyS0 -e LOC /proc/interrupts; echo last one' >&3
wait_for '^last one'
echo 'poweroff -f' >&3
wait $hvm
status=$?
exec 3>&-
rm /tmp/keys
cat /tmp/console
echo
echo "result: $(cat /tmp/result.json)"
exit $status`,
      judge: all(
        expectStatus(0),
        expectText(/^sum is 42$/m),
        expectText(new RegExp(`^${kernel.replaceAll(".", "\\.")}\\.\\d+\\S*-cloud-amd64$`, "m")),
        expectText(/"end":\s*"poweroff"/),
        refuseText(/Kernel panic|BUG:|nobody cared|Call Trace/),
      ),
    },
    {
      name: `command:${kernel}:${irqchip}`,
      timeout: timeout + 30,
      script: `${start} -- sh -c 'echo guest says $((40 + 2)); exit 7'`,
      judge: all(expectStatus(7), expectText(/^guest says 42$/m)),
    },
  ];
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
