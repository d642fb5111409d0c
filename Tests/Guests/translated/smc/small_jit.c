// shows: a small JIT: a thousand generated functions that call one another, freed and generated anew at the same places.
// build: static -O2 -static
#include "code.h"

enum { SLOTS = 64, SLOT = 128 };

// Slot i: eax = edi * (i + k) + (i > 0 ? slot[i - 1](edi) : 0)
static void generate(unsigned char *code, int i, int k) {
  unsigned char *at = code + i * SLOT;
  int factor = i + k;
  *at++ = 0x69, *at++ = 0xc7, memcpy(at, &factor, 4), at += 4;  // imul $factor, %edi, %eax
  if (i > 0) {
    *at++ = 0x50;  // push %rax
    int displacement = (int)(code + (i - 1) * SLOT - (at + 5));
    *at++ = 0xe8, memcpy(at, &displacement, 4), at += 4;  // call slot[i - 1]
    *at++ = 0x5a, *at++ = 0x01, *at++ = 0xd0;             // pop %rdx; add %edx, %eax
  }
  *at++ = 0xc3;
}

int main(void) {
  unsigned char *code = code_pages(SLOTS * SLOT);
  uint64_t state = 1;
  int factors[SLOTS];
  for (int i = 0; i < SLOTS; i++) factors[i] = i, generate(code, i, 0);
  for (int round = 0; round < 1000; round++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    int which = (int)(state >> 33) % SLOTS, argument = (int)(state >> 40) % 1000, k = round % 7;
    generate(code, which, k);
    factors[which] = which + k;
    int top = (int)(state >> 50) % SLOTS, expected = 0;
    for (int i = 0; i <= top; i++) expected += factors[i] * argument;
    CHECK(((int (*)(int))(code + top * SLOT))(argument) == expected);
  }
  return guest_done("small_jit");
}
