/**
 * The program: hands the arguments to the command line and ends with its status.
 *
 * In the one-file executable this is also the module that a processor's worker enters again; there it loads what such a
 * thread runs and nothing of the command line.
 * @module
 */

const inWorker = typeof WorkerGlobalScope !== "undefined" && self instanceof WorkerGlobalScope;

if (inWorker) {
  await import("./hvm/machine/vcpu_thread.ts");
} else {
  const { main } = await import("./hvm/cli/mod.ts");
  Deno.exit(await main(Deno.args));
}
