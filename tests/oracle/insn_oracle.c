/*
 * The processor as an oracle for single instructions: reads jobs from standard input, answers on standard output.
 *
 * A job is a complete state of user code. It is entered by the return from a signal handler, which loads all registers at
 * once; the trap flag brings the processor back behind the instruction, a fault at it. 32- and 16-bit code runs in segments
 * of a local descriptor table over the same memory.
 *
 * Facts: [SDM] Intel SDM vol. 3B, 19.3.1.4 (single-step exception); Linux modify_ldt(2), sigreturn(2).
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { BASE = 0x10000000, SIZE = 0x10000, WINDOW = 0x8e00, WINDOW_BYTES = 1024, CODE_BYTES = 16 };
enum { TF = 1 << 8, MOST_TURNS = 1000, TRAP_DEBUG = 1 };

struct state {
	uint64_t gpr[16];
	uint64_t rip; /* relative to BASE */
	uint64_t rflags;
	uint8_t fx[416];
	uint8_t memory[WINDOW_BYTES];
};
struct job {
	uint8_t mode; /* 0: 64-bit code, 1: 32, 2: 16 */
	uint8_t repeats;
	uint8_t pad[6];
	uint8_t code[CODE_BYTES];
	struct state in;
};
struct result {
	int32_t trap; /* -1: completed */
	uint32_t error;
	uint64_t address;
	struct state out;
};

static uint8_t *memory;
static struct job job;
static struct result result;
static int turns, started;
static uint64_t user_cs, user_ss;

static const int REG_OF[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
				REG_R8,	 REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15 };

static void read_all(void *to, size_t bytes)
{
	size_t have = 0;
	while (have < bytes) {
		ssize_t n = read(0, (char *)to + have, bytes - have);
		if (n <= 0)
			_exit(have == 0 && n == 0 ? 0 : 2);
		have += n;
	}
}

static void write_all(const void *from, size_t bytes)
{
	while (bytes > 0) {
		ssize_t n = write(1, from, bytes);
		if (n <= 0)
			_exit(3);
		from = (const char *)from + n;
		bytes -= n;
	}
}

enum { BATCH = 256 };
static struct job jobs[BATCH];
static struct result results[BATCH];
static int job_count, job_next;

static void next_job(void)
{
	if (job_next == job_count) {
		write_all(results, sizeof(results[0]) * job_count);
		uint32_t count;
		read_all(&count, 4);
		if (count == 0 || count > BATCH)
			_exit(0);
		read_all(jobs, sizeof(jobs[0]) * count);
		job_count = count;
		job_next = 0;
	}
	job = jobs[job_next];
}

/* Data segments are not part of what a signal saves. */
static void load_segments(uint16_t selector)
{
	__asm__ volatile("mov %0, %%ds; mov %0, %%es" : : "r"((uint32_t)selector));
}

static uint64_t low32(uint64_t value)
{
	return value & 0xffffffff;
}

static uint64_t offset_of(uint64_t rip)
{
	return job.mode == 0 ? rip - BASE : low32(rip);
}

static void enter(ucontext_t *context)
{
	greg_t *regs = context->uc_mcontext.gregs;
	struct _libc_fpstate *fp = context->uc_mcontext.fpregs;
	const struct state *in = &job.in;
	memset(memory, 0xf4, CODE_BYTES * 2);
	memcpy(memory + in->rip, job.code, CODE_BYTES);
	memcpy(memory + WINDOW, in->memory, WINDOW_BYTES);
	for (int i = 0; i < 16; i++)
		regs[REG_OF[i]] = job.mode == 0 ? in->gpr[i] : low32(in->gpr[i]);
	regs[REG_EFL] = (in->rflags & 0xcd5) | 0x202 | TF;
	regs[REG_RIP] = job.mode == 0 ? BASE + in->rip : in->rip;
	memcpy(fp, in->fx, sizeof(in->fx));
	/* x87 and SSE are there, whatever the kernel thought of them. */
	uint64_t *present = (uint64_t *)((uint8_t *)fp + 512);
	*present |= 3;
	uint64_t cs = user_cs, ss = user_ss;
	if (job.mode != 0) {
		int code = job.mode == 1 ? 0 : 2;
		cs = code << 3 | 7;
		ss = (code + 1) << 3 | 7;
		load_segments(ss);
	}
	regs[REG_CSGSFS] = (regs[REG_CSGSFS] & 0x0000ffffffff0000) | cs | ss << 48;
	turns = 0;
}

static void leave(ucontext_t *context, int completed)
{
	greg_t *regs = context->uc_mcontext.gregs;
	struct state *out = &result.out;
	load_segments(0);
	result.trap = completed ? -1 : (int)regs[REG_TRAPNO];
	result.error = completed ? 0 : regs[REG_ERR];
	result.address = completed ? 0 : regs[REG_CR2];
	for (int i = 0; i < 16; i++)
		out->gpr[i] = job.mode == 0 ? (uint64_t)regs[REG_OF[i]] : low32(regs[REG_OF[i]]);
	out->rip = offset_of(regs[REG_RIP]);
	out->rflags = regs[REG_EFL] & ~(uint64_t)(TF | 0x10000);
	memcpy(out->fx, context->uc_mcontext.fpregs, sizeof(out->fx));
	memcpy(out->memory, memory + WINDOW, WINDOW_BYTES);
	results[job_next++] = result;
}

static void handler(int signal, siginfo_t *info, void *data)
{
	ucontext_t *context = data;
	greg_t *regs = context->uc_mcontext.gregs;
	(void)info;
	if (started) {
		int completed = signal == SIGTRAP && regs[REG_TRAPNO] == TRAP_DEBUG;
		uint64_t rip = offset_of(regs[REG_RIP]);
		/* A repeated instruction traps after each turn. */
		if (completed && job.repeats && rip == job.in.rip && ++turns < MOST_TURNS) {
			regs[REG_EFL] |= TF;
			return;
		}
		leave(context, completed);
	} else {
		started = 1;
		user_cs = regs[REG_CSGSFS] & 0xffff;
		user_ss = (uint64_t)regs[REG_CSGSFS] >> 48;
		if (user_ss == 0)
			user_ss = 0x2b;
	}
	next_job();
	enter(context);
}

static int segment(int number, int code, int wide)
{
	struct user_desc entry;
	memset(&entry, 0, sizeof(entry));
	entry.entry_number = number;
	entry.base_addr = BASE;
	entry.limit = SIZE - 1;
	entry.seg_32bit = wide;
	entry.contents = code ? 2 : 0;
	entry.useable = 1;
	return syscall(SYS_modify_ldt, 1, &entry, sizeof(entry));
}

int main(int count, char **words)
{
	int failed = segment(0, 1, 1) | segment(1, 0, 1) | segment(2, 1, 0) | segment(3, 0, 0);
	if (count > 1 && strcmp(words[1], "modes") == 0) {
		puts(failed ? "64" : "64 32 16");
		return 0;
	}
	memory = mmap((void *)(uintptr_t)BASE, SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (memory == MAP_FAILED)
		return 4;
	stack_t stack = { .ss_sp = malloc(1 << 16), .ss_size = 1 << 16 };
	sigaltstack(&stack, NULL);
	struct sigaction action;
	memset(&action, 0, sizeof(action));
	action.sa_sigaction = handler;
	action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
	sigemptyset(&action.sa_mask);
	for (const int *s = (const int[]){ SIGTRAP, SIGSEGV, SIGILL, SIGFPE, SIGBUS, 0 }; *s; s++)
		sigaction(*s, &action, NULL);
	raise(SIGTRAP);
	return 5;
}
