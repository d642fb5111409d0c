// shows: the bare cost of a syscall: N calls of getppid.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv) {
  long count = argc > 1 ? atol(argv[1]) : 200000;
  unsigned long positive = 0;
  for (long i = 0; i < count; i++) positive += syscall(SYS_getppid) >= 0;
  printf("getppid %ld %lu\n", count, positive);
  return 0;
}
