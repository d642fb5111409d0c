// shows: a spinning barrier that opens before it has set its counter back: a fast thread's next arrival is lost, and all spin.
// fails: livelock
// preemptions: 1
#include <sched.h>

#include "bug.h"

enum { THREADS = 2, ROUNDS = 2 };
static int arrived, phase, rounds[THREADS];

static void barrier_wait(void) {
  int mine = READ_ONCE(phase);
  if (__atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST) == THREADS) {
#ifdef FIXED
    WRITE_ONCE(arrived, 0);
    WRITE_ONCE(phase, mine + 1);
#else
    WRITE_ONCE(phase, mine + 1); // RACE:1
    WRITE_ONCE(arrived, 0);      // RACE:2
#endif
    return;
  }
  while (READ_ONCE(phase) == mine) sched_yield();
}

static void *work(void *argument) {
  for (int round = 0; round < ROUNDS; round++) {
    rounds[(long)argument]++;
    barrier_wait();
  }
  return NULL;
}

int main(void) {
  pthread_t first = start(work, (void *)0), second = start(work, (void *)1);
  finish(first);
  finish(second);
  return rounds[0] + rounds[1] != THREADS * ROUNDS;
}
