// shows: twenty threads; one of them reads a pair that main changes in two steps, the other nineteen only count.
// fails: signal 6
// preemptions: 1
#include "bug.h"

enum { THREADS = 20, READER = 13 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int counted;
static struct { int version, checksum; } config = {1, ~1};

static void set_version(int version) {
#ifdef FIXED
  pthread_mutex_lock(&lock);
#endif
  WRITE_ONCE(config.version, version);   // RACE:1
  WRITE_ONCE(config.checksum, ~version);
#ifdef FIXED
  pthread_mutex_unlock(&lock);
#endif
}

static void *work(void *argument) {
  pthread_mutex_lock(&lock);
  counted++;
  if ((long)argument == READER) {
    int version = READ_ONCE(config.version), checksum = READ_ONCE(config.checksum); // RACE:2
    if (checksum != ~version) fail("the configuration is half changed");
  }
  pthread_mutex_unlock(&lock);
  return argument;
}

int main(void) {
  pthread_t threads[THREADS];
  for (long i = 0; i < THREADS; i++) threads[i] = start(work, (void *)i);
  set_version(2);
  for (int i = 0; i < THREADS; i++) finish(threads[i]);
  return counted != THREADS;
}
