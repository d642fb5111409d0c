// shows: an immediate in an executed page is patched and run again, 5,000 times, by stores of 1, 4 and 8 bytes, movs and memcpy.
// build: static -O1 -static
#include "code.h"

int main(void) {
  unsigned char *code = code_pages(4096);
  emit_constant(code + 64, 0);
  for (int i = 0; i < 5000; i++) {
    volatile unsigned char *at = code + 65;
    int value = i * 65537 + i;
    switch (i % 5) {
    case 0: *(volatile int *)at = value; break;
    case 1: memcpy((void *)at, &value, 4); break;
    case 2: *(volatile uint64_t *)at = (uint64_t)(unsigned)value | 0x11c3ul << 32; break;
    case 3: for (int b = 0; b < 4; b++) at[b] = (unsigned char)(value >> (8 * b)); break;
    case 4: {
      void *to = (void *)at;
      const void *from = &value;
      long count = 4;
      __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count)::"memory");
    }
    }
    CHECK(((function)(code + 64))() == value);
  }
  return guest_done("patch_immediate");
}
