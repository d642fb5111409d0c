// shows: the cost of a write of 64 bytes: N times /dev/null.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
  long count = argc > 1 ? atol(argv[1]) : 200000, total = 0;
  char buffer[64] = {0};
  int file = open("/dev/null", O_WRONLY);
  for (long i = 0; i < count; i++) {
    buffer[i & 63] = (char)i;
    total += write(file, buffer, sizeof buffer);
  }
  printf("write %ld %ld\n", count, total);
  return 0;
}
