// shows: setjmp and longjmp over many frames, out of signal handlers and of nested handlers, _longjmp in loops.
// build: static -O2 -static
// build: dynamic -O0
#include "guest.h"

static jmp_buf there;
static sigjmp_buf from_handler;

static void __attribute__((noinline)) dive(int depth, int value) {
  volatile char room[64];
  room[depth % 64] = (char)value;
  if (depth == 0) longjmp(there, value);
  dive(depth - 1, value);
  room[0]++;
}

static void jump_out(int number) { siglongjmp(from_handler, number); }

int main(void) {
  for (volatile int i = 1; i <= 300; i++) {
    int got = setjmp(there);
    if (got == 0) dive(i, i);
    CHECK(got == i);
  }
  struct sigaction action = {.sa_handler = jump_out};
  OK(sigaction(SIGUSR1, &action, NULL));
  OK(sigaction(SIGSEGV, &action, NULL));
  for (volatile int i = 0; i < 100; i++) {
    int got = sigsetjmp(from_handler, 1);
    if (got == 0) raise(SIGUSR1);
    CHECK(got == SIGUSR1);
    got = sigsetjmp(from_handler, 1);
    if (got == 0) *(volatile int *)16 = 1;
    CHECK(got == SIGSEGV);
  }
  volatile long rounds = 0;
  _setjmp(there);
  if (++rounds < 20000) _longjmp(there, 1);
  CHECK(rounds == 20000);
  return guest_done("long_jumps");
}
