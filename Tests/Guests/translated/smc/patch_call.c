// shows: the displacement of a call and of a jump in code that has run often is patched to another target, and back.
// build: static -O1 -static
#include "code.h"

int main(void) {
  unsigned char *code = code_pages(3 * 4096);
  for (int i = 0; i < 8; i++) emit_constant(code + 8192 + i * 16, 100 + i);
  // sub $8, %rsp; call target; add $8, %rsp; ret      and      jmp target
  static const unsigned char caller[] = {0x48, 0x83, 0xec, 8, 0xe8, 0, 0, 0, 0, 0x48, 0x83, 0xc4, 8, 0xc3};
  memcpy(code, caller, sizeof caller);
  code[4096] = 0xe9;
  for (int i = 0; i < 1000; i++) {
    int which = i / 3 % 8;
    *(volatile int *)(code + 5) = (int)(8192 + which * 16 - 9);
    *(volatile int *)(code + 4097) = (int)(8192 + (7 - which) * 16 - 4096 - 5);
    for (int again = 0; again < 3; again++) {
      CHECK(((function)code)() == 100 + which);
      CHECK(((function)(code + 4096))() == 107 - which);
    }
  }
  // A conditional jump turned into nops, and its condition turned round.
  static const unsigned char branch[] = {0x85, 0xff, 0x74, 6, 0xb8, 1, 0, 0, 0, 0xc3, 0xb8, 2, 0, 0, 0, 0xc3};
  memcpy(code + 256, branch, sizeof branch);
  int (*decide)(int) = (int (*)(int))(code + 256);
  for (int i = 0; i < 200; i++) {
    volatile unsigned char *at = code + 258;
    at[0] = 0x74, at[1] = 6;
    CHECK(decide(0) == 2 && decide(1) == 1);
    at[0] = 0x75;
    CHECK(decide(0) == 1 && decide(1) == 2);
    *(volatile uint16_t *)at = 0x9090;
    CHECK(decide(0) == 1 && decide(1) == 1);
  }
  return guest_done("patch_call");
}
