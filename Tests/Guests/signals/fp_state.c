// shows: a handler may use the FPU and change MXCSR; sigreturn brings xmm, ymm, x87 and rounding back; ucontext edits count.
// build: static -O2 -mavx -static -lm
// needs: avx
#include <fenv.h>
#include <immintrin.h>
#include <ucontext.h>
#include "guest.h"

static volatile int calls;
static void handler(int number, siginfo_t *info, void *context) {
  (void)info, (void)context;
  __asm__ volatile("vpcmpeqd %%xmm0, %%xmm0, %%xmm0\n vinsertf128 $1, %%xmm0, %%ymm0, %%ymm0\n"
                   "vmovaps %%ymm0, %%ymm7\n vmovaps %%ymm0, %%ymm15\n fninit\n fldpi\n fldpi" ::: "xmm0", "xmm7", "xmm15");
  _mm_setcsr(0x7f80);
  calls += number > 0;
}
static void skips(int number, siginfo_t *info, void *context) {
  ucontext_t *user = context;
  (void)number, (void)info;
  user->uc_mcontext.gregs[REG_RIP] += 2;  // over ud2
  user->uc_mcontext.gregs[REG_RAX] = 0x1234;
}

int main(void) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &action, NULL);
  float in[8] = {1, 2, 3, 4, 5, 6, 7, 8}, low[8], high[8];
  fesetround(FE_UPWARD);
  unsigned control = _mm_getcsr();
  long double kept = 0;
  int pid = getpid();
  long result;
  __asm__ volatile(
      "vmovups (%[in]), %%ymm7\n vmovups (%[in]), %%ymm15\n fldl2e\n"
      "mov $62, %%eax\n mov %[pid], %%edi\n mov $10, %%esi\n syscall\n"
      "vmovups %%ymm7, (%[low])\n vmovups %%ymm15, (%[high])\n fstpt %[kept]"
      : "=&a"(result), [kept] "=m"(kept)
      : [in] "r"(in), [low] "r"(low), [high] "r"(high), [pid] "r"(pid)
      : "rdi", "rsi", "rcx", "r11", "memory", "xmm7", "xmm15");
  CHECK(result == 0 && calls == 1);
  CHECK(memcmp(in, low, sizeof in) == 0 && memcmp(in, high, sizeof in) == 0);
  CHECK(_mm_getcsr() == control && fegetround() == FE_UPWARD);
  CHECK(kept > 1.442695L && kept < 1.442696L);

  action.sa_sigaction = skips;
  sigaction(SIGILL, &action, NULL);
  long value;
  __asm__ volatile("xor %%eax, %%eax\n ud2\n" : "=a"(value)::"memory");
  CHECK(value == 0x1234);
  return guest_done("fp_state");
}
