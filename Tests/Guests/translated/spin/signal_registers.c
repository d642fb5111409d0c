// shows: signals that interrupt a register-only loop at any instruction leave all its registers and flags as they were.
// build: static -O1 -static
// needs: avx
// engine: translated
#include "guest.h"

static volatile sig_atomic_t count;
static void note(int number) {
  (void)number;
  count++;
  // The handler uses what the loop uses.
  __asm__ volatile("xor %%r11d, %%r11d\n xor %%r10d, %%r10d\n vzeroall\n cmp %%eax, %%eax"
                   ::: "r10", "r11", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
                       "xmm12", "xmm13", "xmm14", "xmm15", "cc");
}

// Runs the same recurrence in r8..r15 and xmm, with the carry kept over the loop's end; gives a digest.
static uint64_t run(long rounds) {
  uint64_t digest;
  __asm__ volatile(
      "mov $1, %%r8\n mov $2, %%r9\n mov $3, %%r10\n mov $5, %%r11\n mov $7, %%r12\n mov $11, %%r13\n mov $13, %%r14\n"
      "vmovq %%r8, %%xmm5\n clc\n"
      "1: adc %%r11, %%r8\n adc %%r8, %%r9\n rcl $1, %%r10\n adc %%r10, %%r11\n adc %%r12, %%r13\n rcr $3, %%r14\n adc %%r14, %%r12\n"
      "vmovq %%r12, %%xmm6\n vpaddq %%xmm6, %%xmm5, %%xmm5\n"
      "lea -1(%%rcx), %%rcx\n jrcxz 2f\n jmp 1b\n"
      "2: vmovq %%xmm5, %%rax\n adc %%r8, %%rax\n xor %%r9, %%rax\n xor %%r10, %%rax\n xor %%r11, %%rax\n xor %%r13, %%rax\n xor %%r14, %%rax\n"
      : "=a"(digest), "+c"(rounds)::"r8", "r9", "r10", "r11", "r12", "r13", "r14", "xmm5", "xmm6", "cc");
  return digest;
}

int main(void) {
  uint64_t expected = run(500000);
  struct sigaction action = {.sa_handler = note};
  OK(sigaction(SIGALRM, &action, NULL));
  struct itimerval many = {{0, 100}, {0, 100}}, off = {{0, 0}, {0, 0}};
  OK(setitimer(ITIMER_REAL, &many, NULL));
  for (int i = 0; i < 20 || count < 20; i++) CHECK(run(500000) == expected);
  OK(setitimer(ITIMER_REAL, &off, NULL));
  return guest_done("signal_registers");
}
