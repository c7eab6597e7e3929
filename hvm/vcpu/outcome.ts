/**
 * How the run of a guest ended, as the processor's loop sees it. Plain data: it crosses threads.
 * @module
 */

/** What brought the machine to reset. */
export type ResetCause =
  | "reset-control"
  | "keyboard-controller"
  | "port-92"
  | "system-event"
  /** A debugger's command. */
  | "debugger"
  | "triple-fault";

/** The end of a run. */
export type Outcome =
  /** ACPI S5, or the engine's own shutdown event. */
  | { readonly kind: "poweroff" }
  | { readonly kind: "reset"; readonly cause: ResetCause }
  /** A write of `value` to port F4h. */
  | { readonly kind: "exit-port"; readonly value: number }
  /** The default guest's init reported the status of the command it ran. */
  | { readonly kind: "command"; readonly status: number }
  /** The guest told a panic device that it died. */
  | { readonly kind: "panic" }
  /** A fault while a double fault was being delivered: the processor shut down. */
  | { readonly kind: "triple-fault"; readonly diagnosis: string }
  /** The engine met an instruction it cannot emulate. */
  | { readonly kind: "emulation-failure"; readonly message: string; readonly diagnosis: string }
  /** The engine or the host failed. */
  | { readonly kind: "host-error"; readonly message: string; readonly diagnosis: string }
  /** Somebody outside asked for it; `diagnosis` shows where the guest was. */
  | { readonly kind: "stopped"; readonly diagnosis: string };
