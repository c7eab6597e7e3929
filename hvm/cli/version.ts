/**
 * The version of hvm, which deno.json has.
 * @module
 */

import project from "../../deno.json" with { type: "json" };

/** As `0.1.0`. */
export const VERSION: string = project.version;
