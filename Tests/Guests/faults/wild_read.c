// shows: a wild read ends the guest by SIGSEGV; the sandbox lives and the trace is whole.
// build: static -O1 -static
// signal: 11
#include "guest.h"
int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  printf("before\n");
  volatile int *wild = (int *)0x123456789000;
  return *wild;
}
