// shows: a bounded buffer with one condition variable for both conditions and signal: a consumer's signal wakes the other consumer.
// fails: deadlock
// preemptions: 1
// source: after boundedBuffer of the examples of Inspect (Yang et al.), in SCTBench
#include "bug.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int slot, full, sum;

static void wake(void) {
#ifdef FIXED
  pthread_cond_broadcast(&changed);
#else
  pthread_cond_signal(&changed); // RACE:1
#endif
}

static void put(int value) {
  pthread_mutex_lock(&lock);
  while (full) pthread_cond_wait(&changed, &lock); // RACE:2
  slot = value;
  full = 1;
  wake();
  pthread_mutex_unlock(&lock);
}

static int get(void) {
  pthread_mutex_lock(&lock);
  while (!full) pthread_cond_wait(&changed, &lock);
  int value = slot;
  full = 0;
  wake();
  pthread_mutex_unlock(&lock);
  return value;
}

static void *consume(void *argument) {
  int value = get();
  __atomic_add_fetch(&sum, value, __ATOMIC_RELAXED);
  return argument;
}

int main(void) {
  pthread_t first = start(consume, NULL), second = start(consume, NULL);
  put(1);
  put(2);
  finish(first);
  finish(second);
  if (sum != 3) fail("an item was lost");
  return 0;
}
