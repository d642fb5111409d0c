// shows: after fork the child changes code that both have run; the parent's stays; then the other way round, and with vfork.
// build: static -O1 -static
#include "code.h"

int main(void) {
  unsigned char *code = code_pages(4096);
  for (int i = 0; i < 40; i++) {
    emit_constant(code, i);
    CHECK(((function)code)() == i);
    int ends[2];
    char byte;
    OK(pipe(ends));
    pid_t child = OK(fork());
    if (child == 0) {
      if (i % 2) emit_constant(code, 100 + i);
      int good = ((function)code)() == (i % 2 ? 100 + i : i);
      // The parent changes its own in the meantime.
      close(ends[1]);
      CHECK(read(ends[0], &byte, 1) == 1);
      good &= ((function)code)() == (i % 2 ? 100 + i : i);
      _exit(good ? 0 : 1);
    }
    if (i % 2 == 0) emit_constant(code, 200 + i);
    CHECK(((function)code)() == (i % 2 ? i : 200 + i));
    OK(write(ends[1], "x", 1));
    CHECK(guest_wait(child) == 0);
    CHECK(((function)code)() == (i % 2 ? i : 200 + i));
    OK(close(ends[0]));
    OK(close(ends[1]));
    child = vfork();
    if (child == 0) {
      emit_constant(code, 300 + i);
      _exit(((function)code)() == 300 + i ? 0 : 1);
    }
    CHECK(guest_wait(child) == 0);
    CHECK(((function)code)() == 300 + i);
  }
  return guest_done("forked");
}
