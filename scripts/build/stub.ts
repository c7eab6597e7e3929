/**
 * The start stub of the packed executable: x86-64 machine code that runs before Deno's own entry.
 *
 * The dynamic loader jumps here instead of to Deno's `_start`. The stub puts the bundle that follows it into a
 * memfd at a fixed descriptor, builds a new argument block below the old one (so that what the loader remembers
 * of the old block stays true), and jumps to the real entry. The new block is
 *
 *     hvm run -A --no-config --ext=js /proc/self/fd/N <the user's arguments>
 *     DENO_NO_UPDATE_CHECK=1 DENO_DIR=<cache directory of this version> <the environment without those two>
 *     <the auxiliary vector as it was>
 *
 * The cache directory is $XDG_CACHE_HOME/hvm/deno-VERSION, else $HOME/.cache/hvm/deno-VERSION; where neither
 * variable is set DENO_DIR is left out and Deno chooses. All code is position independent. Where the kernel
 * refuses something, one sentence goes to standard error and the status is 125.
 *
 * Sources: [SysV] System V ABI, AMD64 supplement, section 3.4.1 (initial stack and registers); [syscall] Linux
 * arch/x86/entry/syscalls/syscall_64.tbl; [SDM] Intel SDM volume 2 for the encodings.
 * @module
 */

/** What the stub needs to know of the file it is put into. */
export interface StubOptions {
  /** The version of hvm, which names the cache directory. */
  readonly version: string;
  /** The descriptor the bundle is found at; below 256, so that the smallest usual limit on files allows it. */
  readonly descriptor: number;
  /** Bytes of the bundle that directly follows the stub. */
  readonly bundleSize: number;
  /** Where the stub is loaded, as an address in the file's own address space. */
  readonly address: number;
  /** The entry of the executable the stub hands on to, in the same space. */
  readonly entry: number;
  /** The word, in the same space, that holds the address of the C library's `environ` when the stub runs. */
  readonly environSlot: number;
}

/** The arguments put in front of the user's own, the program's name first. */
export function innerArguments(descriptor: number): string[] {
  return ["hvm", "run", "-A", "--no-config", "--ext=js", `/proc/self/fd/${descriptor}`];
}

/**
 * Assembles the stub.
 *
 * @returns its bytes; the bundle must follow directly.
 */
export function assembleStub(options: StubOptions): Uint8Array {
  const code = new Code();
  const args = innerArguments(options.descriptor);
  emitBundleToMemfd(code, options);
  emitMeasure(code);
  emitArguments(code, args);
  emitEnvironment(code, options);
  // jmp <original entry>, with what the loader left in rdx: the function to run at exit [SysV] 3.4.1.
  code.op(0x4c, 0x89, 0xea); // mov rdx, r13
  code.op(0xe9).imm32(options.entry - (options.address + code.size + 4)); // jmp entry
  emitMatch(code);
  emitFailure(code);
  for (const [index, text] of args.entries()) code.label(`arg${index}`).text(text);
  code.label("noCheck").text("DENO_NO_UPDATE_CHECK=1");
  code.label("denoDir").text("DENO_DIR=");
  code.label("denoNoCheck").text("DENO_NO_UPDATE_CHECK=");
  code.label("home").text("HOME=/");
  code.label("xdg").text("XDG_CACHE_HOME=/");
  code.label("homeTail").text(`/.cache/hvm/deno-${options.version}`);
  code.label("xdgTail").text(`/hvm/deno-${options.version}`);
  code.label("message").text("hvm: cannot unpack itself into memory: memfd_create, write or dup3 failed\n");
  code.label("bundle");
  return code.finish();
}

/** Registers from here on: r12 the old block, r13 the loader's rdx. */
function emitBundleToMemfd(code: Code, options: StubOptions): void {
  code.op(0x49, 0x89, 0xe4); // mov r12, rsp
  code.op(0x49, 0x89, 0xd5); // mov r13, rdx
  code.op(0x48, 0x8d, 0x3d).rel("arg0"); // lea rdi, "hvm"
  code.op(0xbe).imm32(1); // mov esi, MFD_CLOEXEC
  code.op(0xb8).imm32(319).syscall(); // memfd_create
  code.op(0x85, 0xc0, 0x0f, 0x88).rel("fail"); // test eax, eax; js fail
  code.op(0x89, 0xc3); // mov ebx, eax
  code.op(0x48, 0x8d, 0x35).rel("bundle"); // lea rsi, bundle
  code.op(0x41, 0xbe).imm32(options.bundleSize); // mov r14d, size
  code.label("write");
  code.op(0x89, 0xdf); // mov edi, ebx
  code.op(0x4c, 0x89, 0xf2); // mov rdx, r14
  code.op(0xb8).imm32(1).syscall(); // write; a part may be written, or none of it before a signal (EINTR)
  code.op(0x48, 0x83, 0xf8, 0xfc, 0x0f, 0x84).rel("write"); // cmp rax, -EINTR; je write
  code.op(0x48, 0x85, 0xc0, 0x0f, 0x8e).rel("fail"); // test rax, rax; jle fail
  code.op(0x48, 0x01, 0xc6); // add rsi, rax
  code.op(0x49, 0x29, 0xc6); // sub r14, rax
  code.op(0x0f, 0x85).rel("write"); // jnz write
  code.op(0x89, 0xdf); // mov edi, ebx
  code.op(0xbe).imm32(options.descriptor); // mov esi, N
  code.op(0xba).imm32(0x80000); // mov edx, O_CLOEXEC: programs hvm starts do not get the bundle
  code.op(0xb8).imm32(292).syscall(); // dup3
  code.op(0x85, 0xc0, 0x0f, 0x88).rel("fail"); // test eax, eax; js fail
  code.op(0x89, 0xdf); // mov edi, ebx
  code.op(0xb8).imm32(3).syscall(); // close
}

/**
 * Walks the environment and the auxiliary vector and makes room for the new block.
 * Leaves: r15 the old environment, rbp the cache's base directory or 0, r14 what is appended to it,
 * r8 the end of the DENO_DIR text, rdi = rsp the new block.
 */
function emitMeasure(code: Code): void {
  code.op(0x49, 0x8b, 0x0c, 0x24); // mov rcx, [r12]: argc
  code.op(0x4d, 0x8d, 0x7c, 0xcc, 0x10); // lea r15, [r12+rcx*8+16]: past argc, argv and its end mark
  code.op(0x31, 0xed); // xor ebp, ebp
  code.op(0x4c, 0x89, 0xfb); // mov rbx, r15
  code.label("scan");
  code.op(0x48, 0x8b, 0x33); // mov rsi, [rbx]
  code.op(0x48, 0x83, 0xc3, 0x08); // add rbx, 8
  code.op(0x48, 0x85, 0xf6, 0x0f, 0x84).rel("auxv"); // test rsi, rsi; jz auxv
  code.op(0x49, 0x89, 0xf0); // mov r8, rsi
  code.op(0x48, 0x8d, 0x3d).rel("xdg"); // lea rdi, "XDG_CACHE_HOME=/"
  code.op(0xe8).rel("match"); // call match
  code.op(0x0f, 0x84).rel("isXdg"); // je: rsi is past the slash
  code.op(0x48, 0x85, 0xed, 0x0f, 0x85).rel("scan"); // test rbp, rbp; jnz scan: the first HOME or an XDG stands
  code.op(0x4c, 0x89, 0xc6); // mov rsi, r8
  code.op(0x48, 0x8d, 0x3d).rel("home"); // lea rdi, "HOME=/"
  code.op(0xe8).rel("match"); // call match
  code.op(0x0f, 0x85).rel("scan"); // jne scan
  code.op(0x48, 0x8d, 0x6e, 0xff); // lea rbp, [rsi-1]: the slash again
  code.op(0x4c, 0x8d, 0x35).rel("homeTail"); // lea r14, "/.cache/hvm/..."
  code.op(0xe9).rel("scan"); // jmp scan
  code.label("isXdg");
  code.op(0x48, 0x8d, 0x6e, 0xff); // lea rbp, [rsi-1]
  code.op(0x4c, 0x8d, 0x35).rel("xdgTail"); // lea r14, "/hvm/..."
  code.op(0xe9).rel("scan"); // jmp scan
  code.label("auxv"); // rbx: the auxiliary vector; pairs up to and with type 0 (AT_NULL)
  code.op(0x48, 0x83, 0xc3, 0x10); // add rbx, 16
  code.op(0x48, 0x83, 0x7b, 0xf0, 0x00, 0x0f, 0x85).rel("auxv"); // cmp qword [rbx-16], 0; jne auxv

  // The directory's text goes below the old block, the new block below that.
  code.op(0x4c, 0x89, 0xe0); // mov rax, r12
  code.op(0x48, 0x29, 0xd8); // sub rax, rbx: minus the size of the old block
  code.op(0x48, 0x89, 0xe9); // mov rcx, rbp
  code.op(0x48, 0x85, 0xed, 0x74, 0x09); // test rbp, rbp; jz past the loop
  code.op(0x48, 0xff, 0xc1); // inc rcx
  code.op(0x80, 0x79, 0xff, 0x00); // cmp byte [rcx-1], 0
  code.op(0x75, 0xf7); // jnz inc
  code.op(0x48, 0x29, 0xe9); // sub rcx, rbp: the base's length and its end mark, or 0
  code.op(0x4c, 0x89, 0xe7); // mov rdi, r12
  code.op(0x48, 0x29, 0xcf); // sub rdi, rcx
  code.op(0x48, 0x81, 0xef).imm32(TEXT_ROOM); // sub rdi, room for "DENO_DIR=", the tail and alignment
  code.op(0x49, 0x89, 0xf8); // mov r8, rdi: the text
  code.op(0x48, 0x8d, 0x24, 0x07); // lea rsp, [rdi+rax]: the size of the old block below the text
  code.op(0x48, 0x81, 0xec).imm32(BLOCK_ROOM); // sub rsp, room for the added words
  code.op(0x48, 0x83, 0xe4, 0xf0); // and rsp, -16 [SysV] 3.4.1
  code.op(0x48, 0x85, 0xed, 0x0f, 0x84).rel("textDone"); // test rbp, rbp; jz textDone
  code.op(0x48, 0x8d, 0x35).rel("denoDir"); // lea rsi, "DENO_DIR="
  code.op(0xac, 0xaa, 0x84, 0xc0, 0x75, 0xfa); // lodsb; stosb; test al, al; jnz lodsb
  code.op(0x48, 0xff, 0xcf); // dec rdi: over the end mark
  code.op(0x48, 0x89, 0xee); // mov rsi, rbp
  code.op(0xac, 0xaa, 0x84, 0xc0, 0x75, 0xfa); // the base
  code.op(0x48, 0xff, 0xcf); // dec rdi
  code.op(0x4c, 0x89, 0xf6); // mov rsi, r14
  code.op(0xac, 0xaa, 0x84, 0xc0, 0x75, 0xfa); // the tail
  code.label("textDone");
  code.op(0x48, 0x89, 0xe7); // mov rdi, rsp
}

/** Bytes kept for the fixed parts of the DENO_DIR text. */
const TEXT_ROOM = 256;
/** Bytes kept for the words the new block has more than the old one. */
const BLOCK_ROOM = 128;

/** Stores argc, our arguments and the user's, and the end mark. */
function emitArguments(code: Code, args: readonly string[]): void {
  code.op(0x49, 0x8b, 0x0c, 0x24); // mov rcx, [r12]: argc
  code.op(0x48, 0x85, 0xc9, 0x75, 0x03); // test rcx, rcx; jnz: a caller may give no argument at all
  code.op(0x48, 0xff, 0xc1); // inc rcx
  code.op(0x48, 0x8d, 0x41, args.length - 1); // lea rax, [rcx+ours-1]
  code.op(0x48, 0xab); // stosq: argc
  for (const index of args.keys()) {
    code.op(0x48, 0x8d, 0x05).rel(`arg${index}`); // lea rax, text
    code.op(0x48, 0xab); // stosq
  }
  code.op(0x49, 0x8d, 0x74, 0x24, 0x10); // lea rsi, [r12+16]: the user's first
  code.op(0x48, 0xff, 0xc9); // dec rcx
  code.op(0xf3, 0x48, 0xa5); // rep movsq
  code.op(0x31, 0xc0, 0x48, 0xab); // xor eax, eax; stosq: end mark
}

/** Stores our variables, the rest of the environment, and the auxiliary vector. */
function emitEnvironment(code: Code, options: StubOptions): void {
  // The loader has already pointed `environ` at the old block, and nothing in a shared C library sets it again.
  code.op(0x48, 0x8b, 0x05).imm32(options.environSlot - (options.address + code.size + 4)); // mov rax, [slot]
  code.op(0x48, 0x89, 0x38); // mov [rax], rdi: environ
  code.op(0x49, 0x89, 0xfa); // mov r10, rdi: `match` needs rdi, so the place to store to is r10 here
  code.op(0x48, 0x8d, 0x05).rel("noCheck"); // lea rax, "DENO_NO_UPDATE_CHECK=1"
  code.op(0x49, 0x89, 0x02, 0x49, 0x83, 0xc2, 0x08); // mov [r10], rax; add r10, 8
  code.op(0x48, 0x85, 0xed, 0x74, 0x07); // test rbp, rbp; jz: no directory to name
  code.op(0x4d, 0x89, 0x02, 0x49, 0x83, 0xc2, 0x08); // mov [r10], r8; add r10, 8
  code.label("copy");
  code.op(0x4d, 0x8b, 0x07); // mov r8, [r15]
  code.op(0x49, 0x83, 0xc7, 0x08); // add r15, 8
  code.op(0x4d, 0x85, 0xc0, 0x0f, 0x84).rel("copied"); // test r8, r8; jz copied
  code.op(0x4c, 0x89, 0xc6); // mov rsi, r8
  code.op(0x48, 0x8d, 0x3d).rel("denoNoCheck"); // lea rdi, "DENO_NO_UPDATE_CHECK="
  code.op(0xe8).rel("match");
  code.op(0x0f, 0x84).rel("copy"); // je copy: left out
  code.op(0x48, 0x85, 0xed, 0x0f, 0x84).rel("keep"); // test rbp, rbp; jz keep: without ours, theirs stays
  code.op(0x4c, 0x89, 0xc6); // mov rsi, r8
  code.op(0x48, 0x8d, 0x3d).rel("denoDir"); // lea rdi, "DENO_DIR="
  code.op(0xe8).rel("match");
  code.op(0x0f, 0x84).rel("copy"); // je copy
  code.label("keep");
  code.op(0x4d, 0x89, 0x02, 0x49, 0x83, 0xc2, 0x08); // mov [r10], r8; add r10, 8
  code.op(0xe9).rel("copy");
  code.label("copied");
  code.op(0x4d, 0x89, 0x02, 0x49, 0x83, 0xc2, 0x08); // the end mark: r8 is 0
  code.op(0x4c, 0x89, 0xfe, 0x4c, 0x89, 0xd7); // mov rsi, r15; mov rdi, r10
  code.op(0x48, 0x89, 0xd9, 0x4c, 0x29, 0xf9); // mov rcx, rbx; sub rcx, r15
  code.op(0xf3, 0xa4); // rep movsb: the auxiliary vector
}

/** `match`: ZF set when the text at rsi begins with the text at rdi, rsi then past it. Changes al, rsi, rdi. */
function emitMatch(code: Code): void {
  code.label("match");
  code.op(0x8a, 0x07); // mov al, [rdi]
  code.op(0x84, 0xc0, 0x74, 0x0c); // test al, al; jz return: ZF is set
  code.op(0x3a, 0x06, 0x75, 0x08); // cmp al, [rsi]; jne return: ZF is clear
  code.op(0x48, 0xff, 0xc6, 0x48, 0xff, 0xc7); // inc rsi; inc rdi
  code.op(0xeb, 0xee); // jmp match
  code.op(0xc3); // ret
}

/** `fail`: the sentence on standard error, then status 125: hvm or its host failed. */
function emitFailure(code: Code): void {
  code.label("fail");
  code.op(0xbf).imm32(2); // mov edi, 2
  code.op(0x48, 0x8d, 0x35).rel("message"); // lea rsi, message
  code.op(0x48, 0x8d, 0x15).rel("bundle"); // lea rdx, bundle: the label after the message
  code.op(0x48, 0x29, 0xf2, 0x48, 0xff, 0xca); // sub rdx, rsi; dec rdx: without its end mark
  code.op(0xb8).imm32(1).syscall(); // write
  code.op(0xbf).imm32(125); // mov edi, 125
  code.op(0xb8).imm32(231).syscall(); // exit_group
}

/** Bytes with labels and 32-bit relative references to them. */
class Code {
  readonly #bytes: number[] = [];
  readonly #labels = new Map<string, number>();
  readonly #references: { at: number; label: string }[] = [];

  /** Bytes so far. */
  get size(): number {
    return this.#bytes.length;
  }

  /** Appends bytes as they are. */
  op(...bytes: number[]): this {
    this.#bytes.push(...bytes);
    return this;
  }

  /** Appends a 32-bit little-endian number. */
  imm32(value: number): this {
    return this.op(value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, (value >> 24) & 0xff);
  }

  /** Appends the distance from the end of this field to a label. */
  rel(label: string): this {
    this.#references.push({ at: this.size, label });
    return this.imm32(0);
  }

  /** `syscall`; it changes rax, rcx and r11 only. */
  syscall(): this {
    return this.op(0x0f, 0x05);
  }

  /** Names this place. */
  label(name: string): this {
    if (this.#labels.has(name)) throw new RangeError(`Label ${name} is defined twice`);
    this.#labels.set(name, this.size);
    return this;
  }

  /** Appends a text and its end mark. */
  text(text: string): this {
    return this.op(...new TextEncoder().encode(text), 0);
  }

  /** Fills in the references. */
  finish(): Uint8Array {
    const bytes = Uint8Array.from(this.#bytes);
    const view = new DataView(bytes.buffer);
    for (const { at, label } of this.#references) {
      const target = this.#labels.get(label);
      if (target === undefined) throw new RangeError(`Label ${label} is not defined`);
      view.setInt32(at, target - (at + 4), true);
    }
    return bytes;
  }
}
