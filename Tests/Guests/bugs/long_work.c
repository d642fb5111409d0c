// shows: two workers compute for long, each as much as it has to, and then count themselves as done without a lock.
// fails: signal 6
// preemptions: 1
#include "bug.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int done;
static unsigned results[2];

static void *work(void *argument) {
  unsigned rounds = (unsigned)(long)argument, sum = rounds;
  for (unsigned round = 0; round < rounds; round++) sum = sum * 1664525u + 1013904223u;
  results[rounds > 100000] = sum;
#ifdef FIXED
  pthread_mutex_lock(&lock);
#endif
  int before = READ_ONCE(done); // RACE:1
  WRITE_ONCE(done, before + 1); // RACE:2
#ifdef FIXED
  pthread_mutex_unlock(&lock);
#endif
  return NULL;
}

int main(void) {
  pthread_t less = start(work, (void *)50000), more = start(work, (void *)500000);
  finish(less);
  finish(more);
  pthread_mutex_lock(&lock);
  if (done != 2) fail("a worker that is done was not counted");
  pthread_mutex_unlock(&lock);
  return results[0] == results[1];
}
