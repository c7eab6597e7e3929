/**
 * A Linux program of some 200 bytes that writes its argument, a decimal number, to one I/O port: how a guest's init
 * tells hvm the exit status of the command it ran.
 *
 * Stock kernels have no /dev/port (Debian's cloud kernels set CONFIG_DEVPORT=n), but every x86 kernel lets root open a
 * port to a process with ioperm(2).
 *
 * Sources: [ELF] System V ABI, gABI ch. 4 and 5; [AMD64] System V ABI for x86-64, 3.4.1 (initial stack); Linux
 * arch/x86/entry/syscalls/syscall_64.tbl (ioperm 173, exit 60).
 * @module
 */

/** Address of the program's first byte, as linkers choose it. */
const BASE = 0x400000;
const HEADERS = 64 + 56;

/** The program as an ELF file; it exits with 0 when the port was written, else with 1. */
export function statusProgram(port: number): Uint8Array<ArrayBuffer> {
  const code = machineCode(port);
  const file = new Uint8Array(HEADERS + code.length);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // 64 bits, little-endian, version 1
  view.setUint16(16, 2, true); // an executable
  view.setUint16(18, 62, true); // for x86-64
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(BASE + HEADERS), true); // entry
  view.setBigUint64(32, 64n, true); // program headers
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 1, true); // to be loaded
  view.setUint32(68, 5, true); // readable, executable
  view.setBigUint64(80, BigInt(BASE), true);
  view.setBigUint64(88, BigInt(BASE), true);
  view.setBigUint64(96, BigInt(file.length), true);
  view.setBigUint64(104, BigInt(file.length), true);
  view.setBigUint64(112, 0x1000n, true);
  file.set(code, HEADERS);
  return file;
}

/** Each line is one instruction. */
function machineCode(port: number): number[] {
  const low = port & 0xff;
  const high = port >>> 8 & 0xff;
  // deno-fmt-ignore
  return [
    0x48, 0x8b, 0x74, 0x24, 0x10, //        mov rsi, [rsp+16]   ; the first argument
    0x31, 0xdb, //                          xor ebx, ebx
    0x48, 0x85, 0xf6, //                    test rsi, rsi
    0x74, 0x33, //                          jz failed
    0x0f, 0xb6, 0x06, //              next: movzx eax, byte [rsi]
    0x84, 0xc0, //                          test al, al
    0x74, 0x0c, //                          jz open
    0x2c, 0x30, //                          sub al, '0'
    0x6b, 0xdb, 0x0a, //                    imul ebx, ebx, 10
    0x01, 0xc3, //                          add ebx, eax
    0x48, 0xff, 0xc6, //                    inc rsi
    0xeb, 0xed, //                          jmp next
    0xb8, 0xad, 0x00, 0x00, 0x00, //  open: mov eax, 173        ; ioperm(port, 1, 1)
    0xbf, low, high, 0x00, 0x00, //         mov edi, port
    0xbe, 0x01, 0x00, 0x00, 0x00, //        mov esi, 1
    0x89, 0xf2, //                          mov edx, esi
    0x0f, 0x05, //                          syscall
    0x85, 0xc0, //                          test eax, eax
    0x75, 0x09, //                          jnz failed
    0x89, 0xfa, //                          mov edx, edi
    0x89, 0xd8, //                          mov eax, ebx
    0xee, //                                out dx, al
    0x31, 0xff, //                          xor edi, edi
    0xeb, 0x05, //                          jmp leave
    0xbf, 0x01, 0x00, 0x00, 0x00, // failed: mov edi, 1
    0xb8, 0x3c, 0x00, 0x00, 0x00, // leave: mov eax, 60         ; exit(edi)
    0x0f, 0x05, //                          syscall
  ];
}
