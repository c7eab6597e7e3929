/*
 * The processor's own x87 unit as an oracle: jobs come on standard input, results go to standard output, in binary.
 *
 * `x87_oracle list` prints the processor's vendor, then the operations by name, one a line; a job names one by its place
 * among these.
 * Each job starts with ST(0) = a, ST(1) = b, the condition bits of `prior` in the status word and the control word `cw`.
 * Exceptions never trap here: the state is read by FXSAVE, which does not wait.
 */
#include <cpuid.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct job {
  uint8_t a[16];
  uint8_t b[16];
  uint16_t cw;
  uint16_t prior;
  uint16_t operation;
  uint16_t pad[5];
};

struct result {
  uint8_t st0[16];
  uint8_t st1[16];
  uint8_t memory[16];
  uint16_t sw;
  uint16_t eflags;
  uint16_t pad[6];
};

struct area {
  struct job job;      /* 0 */
  uint8_t memory[16];  /* 48 */
  uint8_t env[32];     /* 64 */
  uint64_t eflags;     /* 96 */
  uint8_t pad[24];
  uint8_t fx[512];     /* 128 */
} __attribute__((aligned(64)));

_Static_assert(offsetof(struct area, memory) == 48 && offsetof(struct area, env) == 64, "used in the code below");
_Static_assert(offsetof(struct area, eflags) == 96 && offsetof(struct area, fx) == 128, "used in the code below");

#define OPERATIONS(X)                                                                              \
  X(add, "fadd %%st(1), %%st") X(sub, "fsub %%st(1), %%st") X(subr, "fsubr %%st(1), %%st")         \
  X(mul, "fmul %%st(1), %%st") X(div, "fdiv %%st(1), %%st") X(divr, "fdivr %%st(1), %%st")         \
  X(sqrt, "fsqrt") X(prem, "fprem") X(prem1, "fprem1") X(scale, "fscale") X(xtract, "fxtract")     \
  X(rndint, "frndint") X(abs, "fabs") X(chs, "fchs")                                               \
  X(com, "fcom %%st(1)") X(ucom, "fucom %%st(1)") X(tst, "ftst") X(xam, "fxam")                    \
  X(comi, "fcomi %%st(1), %%st\n pushfq\n popq 96(%%rdi)")                                         \
  X(ucomi, "fucomi %%st(1), %%st\n pushfq\n popq 96(%%rdi)")                                       \
  X(fld_m32, "flds 16(%%rdi)") X(fld_m64, "fldl 16(%%rdi)")                                        \
  X(fild_m16, "filds 16(%%rdi)") X(fild_m32, "fildl 16(%%rdi)") X(fild_m64, "fildll 16(%%rdi)")    \
  X(fbld, "fbld 16(%%rdi)")                                                                        \
  X(fst_m32, "fsts 48(%%rdi)") X(fst_m64, "fstl 48(%%rdi)")                                        \
  X(fist_m16, "fists 48(%%rdi)") X(fist_m32, "fistl 48(%%rdi)") X(fist_m64, "fistpll 48(%%rdi)")   \
  X(fisttp_m16, "fisttps 48(%%rdi)") X(fisttp_m32, "fisttpl 48(%%rdi)")                            \
  X(fisttp_m64, "fisttpll 48(%%rdi)") X(fbstp, "fbstp 48(%%rdi)")                                  \
  X(add_m32, "fadds 16(%%rdi)") X(add_m64, "faddl 16(%%rdi)") X(divr_m32, "fdivrs 16(%%rdi)")      \
  X(mul_m64, "fmull 16(%%rdi)") X(com_m32, "fcoms 16(%%rdi)")                                      \
  X(fld1, "fld1") X(fldl2t, "fldl2t") X(fldl2e, "fldl2e") X(fldpi, "fldpi") X(fldlg2, "fldlg2")    \
  X(fldln2, "fldln2") X(fldz, "fldz")                                                              \
  X(f2xm1, "f2xm1") X(fyl2x, "fyl2x") X(fyl2xp1, "fyl2xp1") X(fpatan, "fpatan")                    \
  X(fsin, "fsin") X(fcos, "fcos") X(fsincos, "fsincos") X(fptan, "fptan")

#define DEFINE(name, text)                                                                         \
  static void run_##name(struct area *area) {                                                      \
    asm volatile("fninit\n fldt 16(%%rdi)\n fldt (%%rdi)\n fnstenv 64(%%rdi)\n"                    \
                 "movw 34(%%rdi), %%ax\n orw %%ax, 68(%%rdi)\n fldenv 64(%%rdi)\n"                 \
                 "fldcw 32(%%rdi)\n" text "\n fxsave64 128(%%rdi)\n fninit"                        \
                 : : "D"(area) : "rax", "memory", "cc");                                           \
  }
OPERATIONS(DEFINE)

static const struct {
  const char *name;
  void (*run)(struct area *);
} operations[] = {
#define ROW(name, text) {#name, run_##name},
    OPERATIONS(ROW)};

enum { COUNT = sizeof operations / sizeof operations[0] };

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "list") == 0) {
    unsigned leaf, vendor[3];
    __cpuid(0, leaf, vendor[0], vendor[2], vendor[1]);
    printf("%.12s\n", (char *)vendor);
    for (int i = 0; i < COUNT; i++) puts(operations[i].name);
    return 0;
  }
  static struct area area;
  while (fread(&area.job, sizeof area.job, 1, stdin) == 1) {
    if (area.job.operation >= COUNT) return 2;
    memset(area.memory, 0xa5, sizeof area.memory);
    area.eflags = 0;
    operations[area.job.operation].run(&area);
    struct result result = {0};
    memcpy(result.st0, area.fx + 32, 10);
    memcpy(result.st1, area.fx + 48, 10);
    memcpy(result.memory, area.memory, sizeof result.memory);
    memcpy(&result.sw, area.fx + 2, 2);
    result.eflags = (uint16_t)area.eflags;
    if (fwrite(&result, sizeof result, 1, stdout) != 1) return 1;
  }
  return 0;
}
