/**
 * The guests of the bench: multiboot images that also run where something loads them at 1 MiB and enters them in
 * 32-bit protected mode.
 *
 * Sources: [MB] Multiboot Specification 0.6.96, 3.1.1 (header magic, flags bit 16: addresses in the header).
 * @module
 */

import { Asm } from "../../hvm/testing/asm.ts";

/** Where the images are loaded. */
export const LOAD_ADDRESS = 0x100000;
/** Where they are entered: behind the header. */
export const ENTRY_ADDRESS = LOAD_ADDRESS + 32;

const MULTIBOOT_MAGIC = 0x1badb002;
const HAS_ADDRESSES = 1 << 16;
const COM1 = 0x3f8;
const POST_CODE = 0x80;
const TEST_EXIT = 0xf4;

/** An image from the code its entry starts with. */
function image(write: (a: Asm) => void): Uint8Array<ArrayBuffer> {
  const code = new Asm({ origin: ENTRY_ADDRESS, bits: 32 });
  write(code);
  const body = code.assemble();
  const end = ENTRY_ADDRESS + body.length;
  const header = [MULTIBOOT_MAGIC, HAS_ADDRESSES, -(MULTIBOOT_MAGIC + HAS_ADDRESSES)];
  // Header address, start and end of what is loaded, end of what is cleared, entry. [MB] 3.1.3
  const words = Int32Array.of(...header, LOAD_ADDRESS, LOAD_ADDRESS, end, end, ENTRY_ADDRESS);
  const bytes = new Uint8Array(words.byteLength + body.length);
  bytes.set(new Uint8Array(words.buffer));
  bytes.set(body, words.byteLength);
  return bytes;
}

/**
 * Reads `count` times from port 80h and ends by the exit port with status 1. Writes to that port are batched, so that
 * only reads are exits.
 */
export function portGuest(count: number): Uint8Array<ArrayBuffer> {
  return image((a) => {
    a.mov("ecx", count).label("again").in("al", POST_CODE).dec("ecx").jnz("again");
    a.mov("al", 0).out(TEST_EXIT, "al").label("end").hlt().jmp("end");
  });
}

/** Writes one byte to the serial port and ends by the exit port with status 1. */
export function byteGuest(): Uint8Array<ArrayBuffer> {
  return image((a) => {
    a.mov("edx", COM1).mov("al", "!".charCodeAt(0)).out("dx", "al");
    a.mov("al", 0).out(TEST_EXIT, "al").label("end").hlt().jmp("end");
  });
}

/** Writes one byte to the serial port and stands still. */
export function stillGuest(): Uint8Array<ArrayBuffer> {
  return image((a) => {
    a.mov("edx", COM1).mov("al", "!".charCodeAt(0)).out("dx", "al");
    a.label("end").cli().hlt().jmp("end");
  });
}
