// shows: a home-made spin lock that waits until the flag is clear and then sets it: two threads are in the critical section.
// fails: signal 6
// preemptions: 2
#include <sched.h>

#include "bug.h"

static int locked, inside;

static void spin_lock(void) {
#ifdef FIXED
  while (__atomic_exchange_n(&locked, 1, __ATOMIC_ACQUIRE)) sched_yield();
#else
  while (READ_ONCE(locked)) sched_yield(); // RACE:1
  WRITE_ONCE(locked, 1);                   // RACE:2
#endif
}

static void spin_unlock(void) { __atomic_store_n(&locked, 0, __ATOMIC_RELEASE); }

static void *work(void *argument) {
  for (int i = 0; i < 2; i++) {
    spin_lock();
    if (__atomic_exchange_n(&inside, 1, __ATOMIC_SEQ_CST)) fail("two threads are in the critical section");
    __atomic_store_n(&inside, 0, __ATOMIC_SEQ_CST);
    spin_unlock();
  }
  return argument;
}

int main(void) {
  pthread_t first = start(work, NULL), second = start(work, NULL);
  finish(first);
  finish(second);
  return inside;
}
