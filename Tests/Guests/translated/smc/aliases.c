// shows: code in a memfd mapped twice, written through the one mapping and run in the other; by another process; by pwrite.
// build: static -O1 -static
#include "code.h"

int main(void) {
  int file = OK(memfd_create("code", 0));
  OK(ftruncate(file, 8192));
  unsigned char *write_here = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  unsigned char *run_here = mmap(NULL, 8192, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
  CHECK(write_here != run_here);
  for (int i = 0; i < 500; i++) {
    emit_constant(write_here + i % 2 * 4096, i);
    CHECK(((function)(run_here + i % 2 * 4096))() == i);
  }
  for (int i = 0; i < 20; i++) {
    pid_t child = OK(fork());
    if (child == 0) {
      emit_constant(write_here, 5000 + i);
      _exit(((function)run_here)() == 5000 + i ? 0 : 1);
    }
    CHECK(guest_wait(child) == 0);
    CHECK(((function)run_here)() == 5000 + i);
    unsigned char code[6];
    emit_constant(code, 7000 + i);
    CHECK(pwrite(file, code, 6, 4096) == 6);
    CHECK(((function)(run_here + 4096))() == 7000 + i);
  }
  return guest_done("aliases");
}
