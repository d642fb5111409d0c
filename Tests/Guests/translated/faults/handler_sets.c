// shows: a handler that changes rip, r10, r11, rsp and flags of the context: a lazy page, an emulated instruction, a switch of stacks.
// build: static -O1 -static
#include <ucontext.h>
#include "guest.h"

static unsigned char *lazy;
static volatile int faults, traps;
static void on_segv(int number, siginfo_t *info, void *raw) {
  (void)number, (void)raw;
  faults++;
  mprotect((void *)((uint64_t)info->si_addr & ~4095ul), 4096, PROT_READ | PROT_WRITE);
}

// ud2 followed by a byte N is an instruction of ours: r11 = r10 * N; CF set.
static void on_ill(int number, siginfo_t *info, void *raw) {
  (void)number, (void)info;
  greg_t *registers = ((ucontext_t *)raw)->uc_mcontext.gregs;
  registers[REG_R11] = registers[REG_R10] * ((unsigned char *)registers[REG_RIP])[2];
  registers[REG_EFL] |= 1;
  registers[REG_RIP] += 3;
}

static unsigned char other_stack[65536] __attribute__((aligned(16)));
static uint64_t old_rsp;
static void on_trap(int number, siginfo_t *info, void *raw) {
  (void)number, (void)info;
  greg_t *registers = ((ucontext_t *)raw)->uc_mcontext.gregs;
  traps++;
  if (old_rsp == 0) {
    old_rsp = (uint64_t)registers[REG_RSP];
    registers[REG_RSP] = (greg_t)(other_stack + sizeof other_stack - 64);
  } else {
    registers[REG_RSP] = (greg_t)old_rsp;
    old_rsp = 0;
  }
}

int main(void) {
  struct sigaction segv = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO}, ill = {.sa_sigaction = on_ill, .sa_flags = SA_SIGINFO},
                   trap = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
  OK(sigaction(SIGSEGV, &segv, NULL));
  OK(sigaction(SIGILL, &ill, NULL));
  OK(sigaction(SIGTRAP, &trap, NULL));
  lazy = mmap(NULL, 64 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < 64; i++) lazy[i * 4096 + i]++;
  for (int i = 0; i < 64; i++) CHECK(lazy[i * 4096 + i] == 1);
  CHECK(faults == 64);
  // A read, a change and a write in one instruction that faults are done once.
  unsigned char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uint64_t with_carry = 0;
  __asm__ volatile("stc\n adcq $1, (%1)\n setc %b0" : "+r"(with_carry) : "r"(page) : "memory", "cc");
  CHECK(*(uint64_t *)page == 2 && with_carry == 0 && faults == 65);

  uint64_t sum = 0, expected = 0;
  for (uint64_t i = 0; i < 300; i++) {
    uint64_t product, carry = 0;
    __asm__ volatile("mov %[i], %%r10\n mov $-1, %%r11\n clc\n ud2\n .byte 7\n adc $0, %[carry]\n mov %%r11, %[product]"
                     : [product] "=r"(product), [carry] "+r"(carry) : [i] "r"(i) : "r10", "r11", "cc");
    sum += product + carry;
    expected += i * 7 + 1;
  }
  CHECK(sum == expected);

  for (int i = 0; i < 50; i++) {
    uint64_t inside, after, before;
    __asm__ volatile("mov %%rsp, %[before]\n int3\n mov %%rsp, %[inside]\n push $99\n pop %%rcx\n int3\n mov %%rsp, %[after]"
                     : [before] "=&r"(before), [inside] "=&r"(inside), [after] "=&r"(after)::"rcx", "memory");
    CHECK(inside == (uint64_t)other_stack + sizeof other_stack - 64 && after == before);
  }
  CHECK(traps == 100);
  return guest_done("handler_sets");
}
