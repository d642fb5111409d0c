// shows: data in an executed page changes 20,000 times: the code beside it keeps running right; counters between functions.
// build: static -O1 -static
#include "code.h"

// An add to a counter that lies 16 bytes behind the code, rip-relative, in a loop within the page.
extern char beside[], beside_end[], beside_counter[];
__asm__(".text\n.balign 16\nbeside: mov %rdi, %rcx\n 1: addq $1, beside_counter(%rip)\n dec %rcx\n jnz 1b\n mov beside_counter(%rip), %rax\n ret\n .balign 16\nbeside_counter: .quad 0\nbeside_end:\n");

int main(void) {
  unsigned char *code = code_pages(4096);
  memcpy(code + 128, beside, (size_t)(beside_end - beside));
  emit_constant(code + 512, 42);
  long (*run)(long) = (long (*)(long))(code + 128);
  long total = 0;
  for (int i = 0; i < 20; i++) {
    total += 1000;
    CHECK(run(1000) == total);
    CHECK(((function)(code + 512))() == 42);
  }
  CHECK(*(long *)(code + 128 + (beside_counter - beside)) == total);
  return guest_done("data_beside");
}
