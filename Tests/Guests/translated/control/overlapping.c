// shows: jumps into the middle of an instruction: the same bytes read in two ways, in turn.
// build: static -O1 -static
#include "guest.h"

long into_itself(long value), two_ways(long which), many(long start);
__asm__(
    ".text\n"
    // eb ff c0: jmp into its own second byte, which with the third is inc %eax.
    "into_itself: mov %edi, %eax\n .byte 0xeb, 0xff, 0xc0\n ret\n"
    // From the start: mov $0x90c3c0ff, %eax; and from its second byte: inc %eax; ret.
    "two_ways: mov %edi, %eax\n test %edi, %edi\n lea 1f(%rip), %rdx\n jz 2f\n inc %rdx\n 2: jmp *%rdx\n"
    "1: .byte 0xb8, 0xff, 0xc0, 0xc3, 0x90\n ret\n"
    // A slide of lea and prefixes: entered at each byte it ends at the same place, with another sum.
    "many: xor %eax, %eax\n lea 1f(%rip), %rdx\n add %rdi, %rdx\n jmp *%rdx\n"
    "1: .byte 0x04, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04, 0x90, 0x90\n movzx %al, %eax\n ret\n");

int main(void) {
  for (int i = 0; i < 500; i++) {
    CHECK(into_itself(i) == i + 1);
    CHECK(two_ways(0) == 0x90c3c0ff);
    CHECK(two_ways(i + 1) == i + 2);
    long at = i % 12;
    // 04 04 adds 4 each; an odd entry ends with 04 90, which adds 0x90.
    CHECK(many(at) == (at % 2 == 0 ? (12 - at) / 2 * 4 : (11 - at) / 2 * 4 + 0x90));
  }
  return guest_done("overlapping");
}
