// shows: the cost of a read of 64 bytes: N times /dev/zero.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
  long count = argc > 1 ? atol(argv[1]) : 200000, total = 0;
  char buffer[64] = {0};
  int file = open("/dev/zero", O_RDONLY);
  for (long i = 0; i < count; i++) {
    buffer[i & 63] = (char)i;
    total += read(file, buffer, sizeof buffer);
  }
  printf("read %ld %ld\n", count, total);
  return 0;
}
