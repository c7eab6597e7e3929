/**
 * Signals that ask the program to end become a clean stop, once; the second one does not wait for it.
 *
 * Sources: signal(7); proc(5), `SigIgn`.
 * @module
 */

/** Signals that stop a run, with their numbers. signal(7) */
export const STOP_SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

/** The name of a signal that stops a run. */
export type StopSignal = keyof typeof STOP_SIGNALS;

/** The status of a program that a signal ended, as shells count. */
export function signalStatus(signal: StopSignal): number {
  return 128 + STOP_SIGNALS[signal];
}

/**
 * Listens for the signals until disposed of. One that the program was started to ignore (by nohup, say) stays ignored.
 * @param first called with the first signal
 * @param again called with every later one: somebody has lost patience
 */
export function onStopSignals(
  first: (signal: StopSignal) => void,
  again: (signal: StopSignal) => void,
): Disposable {
  let seen = false;
  const ignored = ignoredSignals();
  const listeners = (Object.keys(STOP_SIGNALS) as StopSignal[]).map((signal) => {
    // With any listener Deno takes all three over, so that one to be ignored needs a listener that does so.
    const isIgnored = (ignored >> BigInt(STOP_SIGNALS[signal] - 1) & 1n) !== 0n;
    const listener = () => {
      if (isIgnored) return;
      if (seen) return again(signal);
      seen = true;
      first(signal);
    };
    Deno.addSignalListener(signal, listener);
    return { signal, listener };
  });
  return {
    [Symbol.dispose]() {
      for (const { signal, listener } of listeners) Deno.removeSignalListener(signal, listener);
    },
  };
}

/** The set of ignored signals; bit n-1 is signal n. proc(5) */
function ignoredSignals(): bigint {
  try {
    const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(Deno.readTextFileSync("/proc/self/status"))?.[1];
    return BigInt(`0x${mask ?? 0}`);
  } catch {
    return 0n;
  }
}
