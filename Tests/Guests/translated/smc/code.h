// Small pieces of machine code that the guests of this folder write.
#ifndef CODE_H
#define CODE_H
#include "guest.h"

typedef int (*function)(void);

// mov $value, %eax; ret
static inline void emit_constant(volatile unsigned char *at, int value) {
  at[0] = 0xb8;
  for (int i = 0; i < 4; i++) at[1 + i] = (unsigned char)((unsigned)value >> (8 * i));
  at[5] = 0xc3;
}

static inline unsigned char *code_pages(size_t length) {
  unsigned char *pages = mmap(NULL, length, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(pages != MAP_FAILED);
  return pages;
}
#endif
