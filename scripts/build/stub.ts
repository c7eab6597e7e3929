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
 * Sources: [SysV] System V ABI, AMD64 supplement, section 3.4.1 (initial stack and registers), A.2.1 (system calls);
 * [syscall] Linux arch/x86/entry/syscalls/syscall_64.tbl.
 * @module
 */

import { Asm, byte, mem, qword, ref } from "../../hvm/testing/asm.ts";

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

/** [syscall] */
const SYS = { WRITE: 1, CLOSE: 3, EXIT_GROUP: 231, DUP3: 292, MEMFD_CREATE: 319 } as const;
const MFD_CLOEXEC = 1;
const O_CLOEXEC = 0o2000000;
const EINTR = 4;
/** What the status is when hvm or its host failed. */
const FAILURE_STATUS = 125;
/** Bytes kept for the fixed parts of the DENO_DIR text. */
const TEXT_ROOM = 256;
/** Bytes kept for the words the new block has more than the old one. */
const BLOCK_ROOM = 128;

/**
 * Assembles the stub.
 *
 * @returns its bytes; the bundle must follow directly.
 */
export function assembleStub(options: StubOptions): Uint8Array<ArrayBuffer> {
  const { descriptor, version } = options;
  const args = ["hvm", "run", "-A", "--no-config", "--ext=js", `/proc/self/fd/${descriptor}`];
  const a = new Asm({ origin: options.address, bits: 64 });
  a.equ("entry", options.entry).equ("environSlot", options.environSlot);
  bundleToMemfd(a, options);
  scanEnvironment(a);
  reserveBlock(a);
  writeDirectory(a);
  writeArguments(a, args.length);
  writeEnvironment(a);
  a.mov("rdx", "r13"); // the function to run at exit, as the loader left it [SysV] 3.4.1
  a.jmp("entry");
  matchRoutine(a);
  failure(a);
  for (const [index, text] of args.entries()) a.label(`arg${index}`).ascii(`${text}\0`);
  a.label("noCheck").ascii("DENO_NO_UPDATE_CHECK=1\0");
  a.label("noCheckName").ascii("DENO_NO_UPDATE_CHECK=\0");
  a.label("denoDirName").ascii("DENO_DIR=\0");
  a.label("homeName").ascii("HOME=/\0");
  a.label("xdgName").ascii("XDG_CACHE_HOME=/\0");
  a.label("homeTail").ascii(`/.cache/hvm/deno-${version}\0`);
  a.label("xdgTail").ascii(`/hvm/deno-${version}\0`);
  a.label("message").ascii("hvm: cannot unpack itself into memory: memfd_create, write or dup3 failed\n");
  a.label("bundle");
  return a.assemble();
}

/** A system call; rax, rcx and r11 change. [SysV] A.2.1 */
function call(a: Asm, number: number): Asm {
  return a.mov("eax", number).syscall();
}

/** Saves what the loader left, r12 the old block and r13 its rdx, and makes the descriptor of the bundle. */
function bundleToMemfd(a: Asm, { bundleSize, descriptor }: StubOptions): void {
  a.mov("r12", "rsp").mov("r13", "rdx");
  a.lea("rdi", mem(ref("arg0"))).mov("esi", MFD_CLOEXEC);
  call(a, SYS.MEMFD_CREATE).test("eax", "eax").js("fail");
  a.mov("ebx", "eax");
  a.lea("rsi", mem(ref("bundle"))).mov("r14d", bundleSize);
  a.label("write"); // a part may be written, or nothing before a signal
  a.mov("edi", "ebx").mov("rdx", "r14");
  call(a, SYS.WRITE).cmp("rax", -EINTR).je("write");
  a.test("rax", "rax").jle("fail");
  a.add("rsi", "rax").sub("r14", "rax").jnz("write");
  // Programs that hvm starts do not get the bundle.
  a.mov("edi", "ebx").mov("esi", descriptor).mov("edx", O_CLOEXEC);
  call(a, SYS.DUP3).test("eax", "eax").js("fail");
  a.mov("edi", "ebx");
  call(a, SYS.CLOSE);
}

/**
 * Walks the old environment and auxiliary vector. Leaves r15 the environment, rbx the end of the whole old block,
 * rbp the base directory of the cache or 0, r14 what is appended to it.
 */
function scanEnvironment(a: Asm): void {
  a.mov("rcx", mem("r12")); // argc
  a.lea("r15", mem({ base: "r12", index: "rcx", scale: 8, disp: 16 })); // past argc, argv and its end mark
  a.xor("ebp", "ebp").mov("rbx", "r15");
  a.label("scan");
  a.mov("r8", mem("rbx")).add("rbx", 8).test("r8", "r8").jz("auxv");
  a.mov("rsi", "r8").lea("rdi", mem(ref("xdgName"))).call("match").je("isXdg");
  a.test("rbp", "rbp").jnz("scan"); // one was found: the first HOME stays, an XDG_CACHE_HOME goes before any
  a.mov("rsi", "r8").lea("rdi", mem(ref("homeName"))).call("match").jne("scan");
  a.lea("rbp", mem("rsi", -1)).lea("r14", mem(ref("homeTail"))).jmp("scan"); // rsi is past the slash
  a.label("isXdg");
  a.lea("rbp", mem("rsi", -1)).lea("r14", mem(ref("xdgTail"))).jmp("scan");
  a.label("auxv"); // pairs of words up to one of type 0
  a.add("rbx", 16).cmp(qword("rbx", -16), 0).jne("auxv");
}

/** Makes room below the old block: for the text of DENO_DIR at r8, below that for the new block at rsp. */
function reserveBlock(a: Asm): void {
  a.xor("ecx", "ecx");
  a.test("rbp", "rbp").jz("noBase");
  a.label("length");
  a.inc("rcx").cmp(byte({ base: "rbp", index: "rcx", disp: -1 }), 0).jnz("length");
  a.label("noBase");
  a.lea("r8", mem("r12", -TEXT_ROOM)).sub("r8", "rcx");
  a.lea("rsp", mem("r8", -BLOCK_ROOM)).add("rsp", "r12").sub("rsp", "rbx");
  a.and("rsp", -16); // [SysV] 3.4.1
}

/** Writes DENO_DIR=<base><tail> at r8, when there is a base. */
function writeDirectory(a: Asm): void {
  a.test("rbp", "rbp").jz("noDirectory");
  a.mov("rdi", "r8");
  a.lea("rsi", mem(ref("denoDirName")));
  for (const next of ["rbp", "r14", undefined] as const) {
    const loop = a.unique("copy");
    a.label(loop).lodsb().stosb().test("al", "al").jnz(loop);
    if (next !== undefined) a.dec("rdi").mov("rsi", next); // over the end mark
  }
  a.label("noDirectory");
}

/** Writes argc, our arguments, the user's, and the end mark; leaves rdi past them. */
function writeArguments(a: Asm, count: number): void {
  a.mov("rdi", "rsp");
  a.mov("rcx", mem("r12"));
  a.test("rcx", "rcx").jnz("hasName").inc("rcx"); // a caller may give no argument at all, not even a name
  a.label("hasName");
  a.lea("rax", mem("rcx", count - 1)).stosq();
  for (let index = 0; index < count; index++) a.lea("rax", mem(ref(`arg${index}`))).stosq();
  a.lea("rsi", mem("r12", 16)).dec("rcx").rep().movsq();
  a.xor("eax", "eax").stosq();
}

/** Writes the environment and the auxiliary vector. `match` needs rdi, so r10 is where to write. */
function writeEnvironment(a: Asm): void {
  const put = (from: "rax" | "r8") => a.mov(mem("r10"), from).add("r10", 8);
  // The loader has already pointed `environ` at the old block, and nothing in a shared C library sets it again.
  a.mov("rax", mem(ref("environSlot"))).mov(mem("rax"), "rdi");
  a.mov("r10", "rdi");
  a.lea("rax", mem(ref("noCheck")));
  put("rax");
  a.test("rbp", "rbp").jz("variable");
  put("r8");
  a.label("variable");
  a.mov("r8", mem("r15")).add("r15", 8).test("r8", "r8").jz("lastVariable");
  a.mov("rsi", "r8").lea("rdi", mem(ref("noCheckName"))).call("match").je("variable");
  a.test("rbp", "rbp").jz("keep"); // where ours is left out, theirs stays
  a.mov("rsi", "r8").lea("rdi", mem(ref("denoDirName"))).call("match").je("variable");
  a.label("keep");
  put("r8");
  a.jmp("variable");
  a.label("lastVariable");
  put("r8"); // 0, the end mark
  a.mov("rsi", "r15").mov("rdi", "r10").mov("rcx", "rbx").sub("rcx", "r15").rep().movsb();
}

/** `match`: ZF is set when the text at rsi begins with the text at rdi, rsi then past it. Changes al and rdi too. */
function matchRoutine(a: Asm): void {
  a.label("match");
  a.mov("al", mem("rdi")).test("al", "al").jz("matched");
  a.cmp("al", mem("rsi")).jne("matched");
  a.inc("rsi").inc("rdi").jmp("match");
  a.label("matched").ret();
}

/** `fail`: the sentence on standard error, and the end. */
function failure(a: Asm): void {
  a.label("fail");
  a.mov("edi", 2).lea("rsi", mem(ref("message"))).lea("rdx", mem(ref("bundle"))).sub("rdx", "rsi");
  call(a, SYS.WRITE);
  a.mov("edi", FAILURE_STATUS);
  call(a, SYS.EXIT_GROUP);
}
