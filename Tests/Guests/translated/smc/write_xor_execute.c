// shows: code written while RW and run while RX, by mprotect to and fro, as JITs do; functions beside it keep running.
// build: static -O1 -static
#include "code.h"

int main(void) {
  unsigned char *code = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < 4; i++) emit_constant(code + i * 4096, i);
  OK(mprotect(code, 4 * 4096, PROT_READ | PROT_EXEC));
  for (int i = 0; i < 500; i++) {
    int page = i % 4;
    OK(mprotect(code + page * 4096, 4096, PROT_READ | PROT_WRITE));
    emit_constant(code + page * 4096, i + 4);
    for (int other = 0; other < 4; other++)
      if (other != page) CHECK(((function)(code + other * 4096))() % 4 == other);
    OK(mprotect(code + page * 4096, 4096, PROT_READ | PROT_EXEC));
    for (int each = 0; each < 4; each++) CHECK(((function)(code + each * 4096))() % 4 == each);
    CHECK(((function)(code + page * 4096))() == i + 4);
  }
  return guest_done("write_xor_execute");
}
