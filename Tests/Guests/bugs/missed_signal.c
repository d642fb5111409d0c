// shows: a missed signal: the waiter tests the flag before it takes the lock, and waits for a signal that has gone by.
// fails: deadlock
// preemptions: 1
#include "bug.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int loaded;

static void *load(void *argument) {
  pthread_mutex_lock(&lock);
  WRITE_ONCE(loaded, 1);
  pthread_cond_signal(&changed); // RACE:2
  pthread_mutex_unlock(&lock);
  return argument;
}

static void wait_until_loaded(void) {
#ifdef FIXED
  pthread_mutex_lock(&lock);
  while (!loaded) pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);
#else
  if (READ_ONCE(loaded)) return; // RACE:1
  pthread_mutex_lock(&lock);
  pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);
#endif
}

int main(void) {
  pthread_t loader = start(load, NULL);
  wait_until_loaded();
  finish(loader);
  return 0;
}
