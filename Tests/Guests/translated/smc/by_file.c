// shows: a private executable mapping of a file, made anew when the file was rewritten; code over which another file is mapped.
// build: static -O1 -static
#include "code.h"

int main(void) {
  int file = OK(open("by_file.code", O_RDWR | O_CREAT | O_TRUNC, 0600));
  unsigned char page[4096] = {0}, *place = NULL;
  for (int i = 0; i < 100; i++) {
    emit_constant(page, i);
    CHECK(pwrite(file, page, 4096, 0) == 4096);
    unsigned char *got = mmap(place, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | (place ? MAP_FIXED : 0), file, 0);
    CHECK(got != MAP_FAILED && (place == NULL || got == place));
    place = got;
    CHECK(((function)place)() == i && ((function)place)() == i);
  }
  OK(unlink("by_file.code"));
  return guest_done("by_file");
}
