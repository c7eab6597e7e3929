/**
 * The program: hands the arguments to the command line and ends with its status.
 *
 * In the one-file executable this is also the module a vCPU's Worker enters again; what the Worker is for has then
 * registered itself while it was imported, and nothing is to be done here.
 * @module
 */

import { main } from "./hvm/cli/mod.ts";

const inWorker = typeof WorkerGlobalScope !== "undefined" && self instanceof WorkerGlobalScope;

if (!inWorker) Deno.exit(await main(Deno.args));
