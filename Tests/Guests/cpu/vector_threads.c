// shows: live ymm registers in 6 threads and 2 processes survive every switch at a bare syscall instruction.
// build: static -O2 -mavx -pthread -static
// needs: avx
#include "guest.h"

// Fills all 16 ymm registers from a pattern, makes `rounds` sched_yield calls with nothing saved, and compares.
static int keep(uint32_t seed, int rounds) {
  uint32_t in[16][8] __attribute__((aligned(32))), out[16][8] __attribute__((aligned(32)));
  for (int i = 0; i < 16; i++)
    for (int j = 0; j < 8; j++) in[i][j] = seed * 2654435761u + (uint32_t)(i * 8 + j);
  long count = rounds;
  __asm__ volatile(
      "vmovaps 0(%[in]), %%ymm0\n vmovaps 32(%[in]), %%ymm1\n vmovaps 64(%[in]), %%ymm2\n vmovaps 96(%[in]), %%ymm3\n"
      "vmovaps 128(%[in]), %%ymm4\n vmovaps 160(%[in]), %%ymm5\n vmovaps 192(%[in]), %%ymm6\n vmovaps 224(%[in]), %%ymm7\n"
      "vmovaps 256(%[in]), %%ymm8\n vmovaps 288(%[in]), %%ymm9\n vmovaps 320(%[in]), %%ymm10\n vmovaps 352(%[in]), %%ymm11\n"
      "vmovaps 384(%[in]), %%ymm12\n vmovaps 416(%[in]), %%ymm13\n vmovaps 448(%[in]), %%ymm14\n vmovaps 480(%[in]), %%ymm15\n"
      "1: mov $24, %%eax\n syscall\n dec %[count]\n jnz 1b\n"
      "vmovaps %%ymm0, 0(%[out])\n vmovaps %%ymm1, 32(%[out])\n vmovaps %%ymm2, 64(%[out])\n vmovaps %%ymm3, 96(%[out])\n"
      "vmovaps %%ymm4, 128(%[out])\n vmovaps %%ymm5, 160(%[out])\n vmovaps %%ymm6, 192(%[out])\n vmovaps %%ymm7, 224(%[out])\n"
      "vmovaps %%ymm8, 256(%[out])\n vmovaps %%ymm9, 288(%[out])\n vmovaps %%ymm10, 320(%[out])\n vmovaps %%ymm11, 352(%[out])\n"
      "vmovaps %%ymm12, 384(%[out])\n vmovaps %%ymm13, 416(%[out])\n vmovaps %%ymm14, 448(%[out])\n vmovaps %%ymm15, 480(%[out])\n"
      : [count] "+r"(count)
      : [in] "r"(in), [out] "r"(out)
      : "rax", "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
        "xmm12", "xmm13", "xmm14", "xmm15");
  return memcmp(in, out, sizeof in) == 0;
}
static void *body(void *argument) {
  for (int i = 0; i < 10; i++) CHECK(keep((uint32_t)(long)argument * 100 + (uint32_t)i, 30));
  return NULL;
}

int main(void) {
  pid_t child = OK(fork());
  pthread_t threads[6];
  for (long i = 0; i < 6; i++) ZERO(pthread_create(&threads[i], NULL, body, (void *)(i + (child == 0 ? 10 : 0))));
  for (int i = 0; i < 6; i++) ZERO(pthread_join(threads[i], NULL));
  if (child == 0) _exit(guest_failures != 0);
  CHECK(guest_wait(child) == 0);
  return guest_done("vector_threads");
}
