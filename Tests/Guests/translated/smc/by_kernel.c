// shows: code that the kernel writes into an executable page: read, pread, readv, recv.
// build: static -O1 -static
#include "code.h"

int main(void) {
  unsigned char *code = code_pages(4096), bytes[6];
  int file = OK(open("by_kernel.file", O_RDWR | O_CREAT | O_TRUNC, 0600)), sockets[2], ends[2];
  OK(unlink("by_kernel.file"));
  OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
  OK(pipe(ends));
  for (int i = 0; i < 200; i++) {
    emit_constant(bytes, i);
    switch (i % 4) {
    case 0:
      OK(pwrite(file, bytes, 6, 0));
      OK(lseek(file, 0, SEEK_SET));
      CHECK(read(file, code, 6) == 6);
      break;
    case 1:
      OK(pwrite(file, bytes, 6, 100));
      CHECK(pread(file, code, 6, 100) == 6);
      break;
    case 2:
      OK(write(ends[1], bytes, 6));
      struct iovec pieces[2] = {{code, 2}, {code + 2, 4}};
      CHECK(readv(ends[0], pieces, 2) == 6);
      break;
    case 3:
      OK(write(sockets[0], bytes, 6));
      CHECK(recv(sockets[1], code, 6, 0) == 6);
    }
    CHECK(((function)code)() == i);
    CHECK(((function)code)() == i);
  }
  return guest_done("by_kernel");
}
