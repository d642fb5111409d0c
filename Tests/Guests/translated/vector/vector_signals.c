// shows: a signal handler that uses ymm, x87 and mxcsr leaves those of the loop it interrupts; timers fire in the middle of it.
// build: static -O2 -mavx2 -static
// needs: avx2
// engine: translated
#include <immintrin.h>
#include "guest.h"

static volatile sig_atomic_t signals;
static void note(int number) {
  (void)number;
  signals++;
  _mm_setcsr(0x1f80 | 0x6000);
  __asm__ volatile("fninit\n fldz\n fld1" ::: "memory");
  __asm__ volatile("vpcmpeqd %%ymm0, %%ymm0, %%ymm0\n vmovdqa %%ymm0, %%ymm1\n vmovdqa %%ymm0, %%ymm7\n vmovdqa %%ymm0, %%ymm15\n vzeroupper" ::: "xmm0", "xmm1", "xmm7", "xmm15");
}

static double run(long rounds, uint64_t *digest) {
  double result;
  uint64_t words[4];
  __asm__ volatile("fld1\n fldpi\n vpcmpeqd %%ymm15, %%ymm15, %%ymm15\n vpsrlq $3, %%ymm15, %%ymm7\n vpxor %%ymm1, %%ymm1, %%ymm1\n"
                   "1: vpaddq %%ymm7, %%ymm1, %%ymm1\n vpsrlq $1, %%ymm7, %%ymm0\n vpxor %%ymm0, %%ymm1, %%ymm1\n vpsubq %%ymm15, %%ymm7, %%ymm7\n"
                   "fadd %%st(1), %%st\n dec %[rounds]\n jnz 1b\n vmovdqu %%ymm1, %[words]\n vzeroupper\n fstp %%st(1)\n fstpl %[result]"
                   : [rounds] "+r"(rounds), [words] "=m"(words), [result] "=m"(result)::"xmm0", "xmm1", "xmm7", "xmm15", "cc");
  *digest = words[0] ^ words[1] * 3 ^ words[2] * 5 ^ words[3] * 7;
  return result;
}

int main(void) {
  struct sigaction action = {.sa_handler = note};
  OK(sigaction(SIGALRM, &action, NULL));
  unsigned modes = _mm_getcsr();
  uint64_t wanted, got;
  double expected = run(200000, &wanted);
  struct itimerval many = {{0, 100}, {0, 100}}, off = {{0, 0}, {0, 0}};
  OK(setitimer(ITIMER_REAL, &many, NULL));
  for (int i = 0; i < 10 || signals < 10; i++) {
    CHECK(run(200000, &got) == expected && got == wanted);
    CHECK(_mm_getcsr() == modes);
  }
  OK(setitimer(ITIMER_REAL, &off, NULL));
  return guest_done("vector_signals");
}
