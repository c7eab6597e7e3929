/**
 * What is typed, or piped, into hvm for the guest.
 * @module
 */

/** Ctrl-], the key telnet uses. */
export const ESCAPE_KEY = 0x1d;

/** What the key after the escape key asks of hvm. */
export type EscapeCommand = "quit" | "help";

const QUIT_KEYS = new Set(["q", "Q", "x", "X", "."]);

/** Takes the escape key and the key after it out of what is typed. */
export class EscapeFilter {
  #armed = false;

  /** @returns what is for the guest, and what is for hvm. */
  feed(typed: Uint8Array): { bytes: Uint8Array; commands: EscapeCommand[] } {
    const bytes: number[] = [];
    const commands: EscapeCommand[] = [];
    for (const byte of typed) {
      if (!this.#armed) {
        if (byte === ESCAPE_KEY) this.#armed = true;
        else bytes.push(byte);
        continue;
      }
      this.#armed = false;
      if (byte === ESCAPE_KEY) bytes.push(byte);
      else commands.push(QUIT_KEYS.has(String.fromCharCode(byte)) ? "quit" : "help");
    }
    return { bytes: Uint8Array.from(bytes), commands };
  }
}

/** What the help command shows. */
export const ESCAPE_HELP = "Ctrl-] q ends the guest, Ctrl-] Ctrl-] sends it a Ctrl-]";

/** Where input comes from; `Deno.stdin` is one. */
export interface InputSource {
  read(buffer: Uint8Array): Promise<number | null>;
}

/** Who gets it. */
export interface InputTarget {
  write(bytes: Uint8Array): Promise<void>;
}

const CHUNK_BYTES = 1 << 14;
/** What may be typed ahead of a guest that does not read. */
const TYPED_AHEAD_BYTES = 1 << 16;

/**
 * Gives piped input to the guest, as fast as it reads. The end of the input ends nothing: the guest runs on, and gets no
 * Ctrl-D that nobody typed.
 */
export async function pipeInput(source: InputSource, guest: InputTarget): Promise<void> {
  for (;;) {
    const buffer = new Uint8Array(CHUNK_BYTES);
    const count = await source.read(buffer).catch(() => null);
    if (count === null) return;
    await guest.write(buffer.subarray(0, count));
  }
}

/** Gives the guest what is typed at a terminal; reads on while the guest does not, since the escape key must work. */
export async function typeInput(
  source: InputSource,
  guest: InputTarget,
  onCommand: (command: EscapeCommand) => void,
): Promise<void> {
  const filter = new EscapeFilter();
  let ahead = 0;
  for (;;) {
    const buffer = new Uint8Array(CHUNK_BYTES);
    const count = await source.read(buffer).catch(() => null);
    if (count === null) return;
    const { bytes, commands } = filter.feed(buffer.subarray(0, count));
    for (const command of commands) onCommand(command);
    if (bytes.length === 0 || ahead + bytes.length > TYPED_AHEAD_BYTES) continue;
    ahead += bytes.length;
    // A guest that has ended takes nothing, which is no trouble here.
    guest.write(bytes).catch(() => {}).finally(() => ahead -= bytes.length);
  }
}
