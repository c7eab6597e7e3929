/*
 * The least a KVM monitor can do: loads a flat image at 1 MiB, enters it in 32-bit protected mode without paging and
 * calls KVM_RUN until the guest writes to port F4h. Prints the mean time of an exit by port 80h in nanoseconds.
 *
 *     kvm_loop IMAGE ENTRY
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { BASE = 0x100000, MEMORY = 0x400000 };

static int check(int result, const char *what) {
  if (result < 0) {
    perror(what);
    exit(2);
  }
  return result;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
  int vm = check(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
  check(ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000), "KVM_SET_TSS_ADDR");
  char *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 2;
  int image = check(open(argv[1], O_RDONLY), argv[1]);
  check(read(image, memory + BASE, MEMORY - BASE), "read");
  struct kvm_userspace_memory_region slot = {
    .slot = 0, .guest_phys_addr = 0, .memory_size = MEMORY, .userspace_addr = (unsigned long)memory,
  };
  check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot), "KVM_SET_USER_MEMORY_REGION");
  int cpu = check(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
  int size = check(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
  struct kvm_run *run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu, 0);
  if (run == MAP_FAILED) return 2;

  struct kvm_sregs sregs;
  check(ioctl(cpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
  struct kvm_segment code = {
    .base = 0, .limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .s = 1, .db = 1, .g = 1,
  };
  struct kvm_segment data = code;
  data.type = 3;
  data.selector = 16;
  sregs.cs = code;
  sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
  sregs.cr0 |= 1;
  check(ioctl(cpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
  struct kvm_regs regs = { .rip = strtoul(argv[2], NULL, 0), .rflags = 2 };
  check(ioctl(cpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");

  long exits = 0;
  double start = 0, finish = 0;
  for (;;) {
    check(ioctl(cpu, KVM_RUN, 0), "KVM_RUN");
    if (run->exit_reason != KVM_EXIT_IO) {
      fprintf(stderr, "exit reason %u\n", run->exit_reason);
      return 2;
    }
    if (run->io.port == 0xf4) break;
    if (run->io.port == 0x80) {
      finish = now();
      if (exits++ == 0) start = finish;
    }
  }
  printf("%.1f\n", (finish - start) / (exits - 1));
  return 0;
}
