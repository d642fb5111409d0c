// shows: code is unmapped and other code mapped at the same place; moved by mremap; dropped by MADV_DONTNEED; without PROT_EXEC it faults.
// build: static -O1 -static
#include "code.h"

static sigjmp_buf back;
static void caught(int number) { siglongjmp(back, number); }

int main(void) {
  struct sigaction action = {.sa_handler = caught};
  OK(sigaction(SIGSEGV, &action, NULL));
  unsigned char *place = code_pages(4096);
  for (int i = 0; i < 100; i++) {
    emit_constant(place, i);
    CHECK(((function)place)() == i);
    OK(munmap(place, 4096));
    if (sigsetjmp(back, 1) == 0) {
      ((function)place)();
      CHECK(!"unmapped code ran");
    }
    CHECK(mmap(place, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == place);
  }
  for (int i = 0; i < 50; i++) {
    unsigned char *elsewhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    emit_constant(place, 1000 + i);
    CHECK(((function)place)() == 1000 + i);
    CHECK(mremap(place, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere) == elsewhere);
    CHECK(((function)elsewhere)() == 1000 + i);
    if (sigsetjmp(back, 1) == 0) {
      ((function)place)();
      CHECK(!"moved code ran");
    }
    place = elsewhere;
  }
  for (int i = 0; i < 50; i++) {
    emit_constant(place, i);
    CHECK(((function)place)() == i);
    OK(mprotect(place, 4096, PROT_READ | PROT_WRITE));
    if (sigsetjmp(back, 1) == 0) {
      ((function)place)();
      CHECK(!"code without PROT_EXEC ran");
    }
    OK(mprotect(place, 4096, PROT_READ | PROT_WRITE | PROT_EXEC));
    CHECK(((function)place)() == i);
    OK(madvise(place, 4096, MADV_DONTNEED));
    // Zeroes: add %al, (%rax), which faults.
    if (sigsetjmp(back, 1) == 0) {
      __asm__ volatile("call *%0" ::"r"(place), "a"(8ul) : "memory", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11");
      CHECK(!"dropped code ran");
    }
  }
  return guest_done("replaced_mappings");
}
