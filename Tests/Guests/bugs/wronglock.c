// shows: one of three writers protects the shared counter with the wrong lock.
// fails: signal 6
// preemptions: 1
// source: SCTBench, CS.wronglock_bad
#include "bug.h"

static pthread_mutex_t data_lock = PTHREAD_MUTEX_INITIALIZER, log_lock = PTHREAD_MUTEX_INITIALIZER;
static int data;

static void increment(pthread_mutex_t *lock) {
  pthread_mutex_lock(lock);
  int before = READ_ONCE(data); // RACE:1
  WRITE_ONCE(data, before + 1); // RACE:2
  pthread_mutex_unlock(lock);
}

static void *write_data(void *argument) {
  increment(&data_lock);
  return argument;
}

static void *write_log(void *argument) {
#ifdef FIXED
  increment(&data_lock);
#else
  increment(&log_lock);
#endif
  return argument;
}

int main(void) {
  pthread_t threads[] = {start(write_data, NULL), start(write_log, NULL), start(write_data, NULL)};
  for (int i = 0; i < 3; i++) finish(threads[i]);
  (void)log_lock;
  if (data != 3) fail("an increment is missing");
  return 0;
}
