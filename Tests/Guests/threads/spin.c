// shows: a thread spins on a flag without a syscall while another is ready: the direct engine ends the run (124).
// build: static -O1 -pthread -static
// native: skip
// engine: direct
// slow: the limit is 30 s of wall time
// exit: 124
// timeout: 120
#include "guest.h"

static volatile int flag;
static void *always_ready(void *argument) {
  (void)argument;
  for (;;) sched_yield();
}

int main(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, always_ready, NULL);
  while (!flag) {}
  return 0;
}
