// shows: two processes spin on a flag in shared memory, to and fro; the child of a fork spins until its parent has computed.
// build: static -O1 -static
// engine: translated
#include "guest.h"

int main(void) {
  volatile int *turn = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t child = OK(fork());
  int me = child == 0;
  for (int i = 0; i < 100; i++) {
    while (turn[0] != me) {}
    turn[1]++;
    turn[0] = 1 - me;
  }
  if (child == 0) _exit(7);
  CHECK(guest_wait(child) == 7 << 8);
  CHECK(turn[1] == 200);
  return guest_done("shared_memory");
}
