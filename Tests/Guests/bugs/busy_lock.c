// shows: two threads that work under a lock thousands of times; only the flag behind all that is set without it.
// fails: signal 6
// preemptions: 1
#include "bug.h"

enum { ITEMS = 5000 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long total;
static int finished;

static void *work(void *argument) {
  for (int item = 0; item < ITEMS; item++) {
    pthread_mutex_lock(&lock);
    total += item;
    pthread_mutex_unlock(&lock);
  }
#ifdef FIXED
  pthread_mutex_lock(&lock);
#endif
  int before = READ_ONCE(finished); // RACE:1
  WRITE_ONCE(finished, before + 1); // RACE:2
#ifdef FIXED
  pthread_mutex_unlock(&lock);
#endif
  return argument;
}

int main(void) {
  pthread_t one = start(work, NULL), other = start(work, NULL);
  finish(one);
  finish(other);
  if (total != (long)ITEMS * (ITEMS - 1)) give_up("the lock");
  if (finished != 2) fail("a thread that has finished was not counted");
  return 0;
}
