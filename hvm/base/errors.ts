/**
 * The kinds of failure that leave hvm, one class for each party that can cause one.
 *
 * Guests are not among them: what a guest does gets the hardware's answer, and a guest that cannot go on ends in an
 * outcome value, never in an exception.
 * @module
 */

/** The user asked for something that cannot be: one sentence that says what to do. Exit status 125. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  /** Where in the configuration the trouble is, as `memory` or `disks.0.file`; empty for the command line as a whole. */
  readonly path: string;

  constructor(message: string, options: { path?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.path = options.path ?? "";
  }
}

/** A guest image is not what it should be (missing, truncated, corrupt, for another machine). Exit status 126. */
export class ImageError extends Error {
  override readonly name = "ImageError";

  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, { cause: options.cause });
  }
}

/** The host refused: what was tried, its errno by name, and what may help. Exit status 125. */
export class HostError extends Error {
  override readonly name = "HostError";
  /** What was tried, as `ioctl(KVM_CREATE_VM)`. */
  readonly operation: string;
  /** The error's name, as `EACCES`; empty when there is none. */
  readonly errno: string;

  constructor(message: string, options: { operation: string; errno?: string; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.operation = options.operation;
    this.errno = options.errno ?? "";
  }
}

/** A snapshot does not fit this machine: every refused section is listed and nothing was loaded. */
export class SnapshotError extends Error {
  override readonly name = "SnapshotError";
  readonly refused: readonly string[];

  constructor(message: string, refused: readonly string[]) {
    super(message);
    this.refused = refused;
  }
}

/** For the default arm of an exhaustive switch. */
export function unreachable(value: never): never {
  throw new TypeError(`Unreachable: ${String(value)}`);
}
