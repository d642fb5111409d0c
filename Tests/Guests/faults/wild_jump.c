// shows: a jump to nowhere ends the guest by SIGSEGV.
// build: static -O1 -static
// build: dynamic -O1
// signal: 11
#include "guest.h"
int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  printf("before\n");
  void (*volatile nowhere)(void) = (void (*)(void))0xdead0000;
  nowhere();
  return 0;
}
