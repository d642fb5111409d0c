// shows: the size of a trace a syscall: N rounds of a 64-byte read of /dev/zero and write to /dev/null.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
  long count = argc > 1 ? atol(argv[1]) : 100000, total = 0;
  char buffer[64] = {0};
  int zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_WRONLY);
  for (long i = 0; i < count; i++) {
    total += read(zero, buffer, sizeof buffer);
    buffer[0] = (char)i;
    total += write(null, buffer, sizeof buffer);
  }
  printf("read_write %ld %ld\n", count, total);
  return 0;
}
