/**
 * The EFI signature behind a signed kernel: where it ends, and whether the file still has the digest that was signed.
 *
 * Nobody's key is trusted or checked here. The digest serves as a checksum: packed kernels may have none of their own
 * (the legacy LZ4 frame), so that damage would show only as a guest that dies without a word.
 *
 * Sources: [PE] Microsoft PE format, "Optional Header" and "Attribute Certificate Table"; [AUTH] Windows Authenticode
 * Portable Executable Signature Format 1.0, "Calculating the PE Image Hash"; [8017] RFC 8017, 9.2 (DigestInfo of SHA-256).
 * Deviates: digests other than SHA-256 are not looked at.
 * @module
 */

import { ImageError } from "../hvm/base/errors.ts";
import { concatenate } from "./bytes.ts";

/** Places in a signed file. */
interface Signature {
  /** Offset of the optional header's checksum, which is not part of the digest. */
  readonly checksumAt: number;
  /** Offset of the directory entry that names the certificate table, likewise. */
  readonly entryAt: number;
  readonly tableAt: number;
  readonly tableSize: number;
}

const PE_POINTER = 0x3c;
const PE_MAGIC = 0x4550;
/** COFF header with its signature. */
const COFF_SIZE = 24;
/** Offset of the data directories in the optional header, by its magic number. [PE] */
const DIRECTORIES: Readonly<Record<number, number>> = { 0x10b: 96, 0x20b: 112 };
const CHECKSUM = 64;
const CERTIFICATE_DIRECTORY = 4;

/** DER of a DigestInfo that holds a SHA-256 digest, up to the digest itself. [8017] 9.2 */
// deno-fmt-ignore
const DIGEST_INFO = [
  0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20,
];

function findSignature(file: Uint8Array): Signature | undefined {
  if (file[0] !== 0x4d || file[1] !== 0x5a || file.length < PE_POINTER + 4) return undefined;
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const pe = view.getUint32(PE_POINTER, true);
  const optional = pe + COFF_SIZE;
  if (optional + 2 > file.length || view.getUint32(pe, true) !== PE_MAGIC) return undefined;
  const directories = DIRECTORIES[view.getUint16(optional, true)];
  if (directories === undefined) return undefined;
  const entryAt = optional + directories + CERTIFICATE_DIRECTORY * 8;
  if (entryAt + 8 > file.length) return undefined;
  if (view.getUint32(optional + directories - 4, true) <= CERTIFICATE_DIRECTORY) return undefined;
  const tableSize = view.getUint32(entryAt + 4, true);
  if (tableSize === 0) return undefined;
  return { checksumAt: optional + CHECKSUM, entryAt, tableAt: view.getUint32(entryAt, true), tableSize };
}

/** One past the signature of a signed kernel, which stands behind the kernel itself; 0 when there is none. */
export function signatureEnd(file: Uint8Array): number {
  const signature = findSignature(file);
  return signature === undefined ? 0 : signature.tableAt + signature.tableSize;
}

/**
 * Checks a signed kernel against the digest in its signature; one without is let pass.
 * @throws {ImageError} when they differ.
 */
export async function checkSignedDigest(file: Uint8Array): Promise<void> {
  const signature = findSignature(file);
  if (signature === undefined) return;
  const { checksumAt, entryAt, tableAt, tableSize } = signature;
  const signed = signedDigest(file.subarray(tableAt, tableAt + tableSize));
  if (signed === undefined || tableAt < entryAt + 8) return;
  const covered = concatenate([
    file.subarray(0, checksumAt),
    file.subarray(checksumAt + 4, entryAt),
    file.subarray(entryAt + 8, tableAt),
    file.subarray(tableAt + tableSize),
  ]);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", covered));
  if (digest.some((byte, i) => byte !== signed[i])) {
    throw new ImageError("The kernel file is damaged: it is not the file that was signed");
  }
}

/** The digest in a certificate table. */
function signedDigest(table: Uint8Array): Uint8Array | undefined {
  for (let at = table.indexOf(DIGEST_INFO[0]!); at >= 0; at = table.indexOf(DIGEST_INFO[0]!, at + 1)) {
    if (at + DIGEST_INFO.length + 32 > table.length) return undefined;
    if (DIGEST_INFO.every((byte, i) => table[at + i] === byte)) {
      return table.subarray(at + DIGEST_INFO.length, at + DIGEST_INFO.length + 32);
    }
  }
  return undefined;
}
