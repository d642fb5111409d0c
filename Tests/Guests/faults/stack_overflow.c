// shows: unbounded recursion ends the guest by SIGSEGV.
// build: static -O0 -static
// signal: 11
#include "guest.h"
static long dive(long depth) {
  volatile char frame[8192];
  frame[depth & 8191] = 1;
  return dive(depth + 1) + frame[0];
}
int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  printf("before\n");
  return (int)dive(0);
}
