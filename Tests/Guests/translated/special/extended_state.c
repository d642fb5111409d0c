// shows: xgetbv agrees with cpuid: what XCR0 enables is offered, xsave of it has the announced size and keeps ymm registers.
// build: static -O1 -mxsave -mavx -static
// needs: avx
// identity: skip
#include <cpuid.h>
#include <immintrin.h>
#include "guest.h"

int main(void) {
  unsigned a = 0, b = 0, c = 0, d = 0;
  CHECK(__get_cpuid(1, &a, &b, &c, &d) && (c & bit_OSXSAVE));
  uint64_t enabled = _xgetbv(0);
  CHECK((enabled & 3) == 3);
  CHECK(!(c & bit_AVX) || (enabled & 4));
  // A model may stop before the leaf that describes the state; what XCR0 enables can be saved all the same.
  if (__get_cpuid_max(0, NULL) >= 0xd) {
    __cpuid_count(0xd, 0, a, b, c, d);
    CHECK((enabled & ~((uint64_t)d << 32 | a)) == 0);
    CHECK(b >= 576 && b <= c && c <= 16384);
  } else {
    b = 832;
  }
  static unsigned char area[16384] __attribute__((aligned(64)));
  __m256i value = _mm256_set_epi64x(1, 2, 3, 4), got;
  __asm__ volatile("vmovdqa %[value], %%ymm7\n mov $7, %%eax\n xor %%edx, %%edx\n xsave %[area]\n vzeroall\n xrstor %[area]\n vmovdqa %%ymm7, %[got]"
                   : [got] "=m"(got), [area] "+m"(area) : [value] "m"(value)
                   : "rax", "rdx", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
  CHECK(memcmp(&got, &value, sizeof got) == 0);
  for (unsigned i = 4096; i < sizeof area; i++) CHECK(area[i] == 0 || i < b);
  return guest_done("extended_state");
}
