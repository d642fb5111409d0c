// shows: a deadlock of two workers while a heartbeat thread goes on: the program never comes to rest.
// fails: deadlock
// preemptions: 1
#include <unistd.h>

#include "bug.h"

static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER, disk_lock = PTHREAD_MUTEX_INITIALIZER;
static int stop, beats, cached = 3, stored;

static void *heartbeat(void *argument) {
  while (!READ_ONCE(stop)) {
    beats++;
    usleep(1000);
  }
  return argument;
}

static void *write_back(void *argument) {
  pthread_mutex_lock(&cache_lock); // RACE:1
  pthread_mutex_lock(&disk_lock);
  stored = cached;
  pthread_mutex_unlock(&disk_lock);
  pthread_mutex_unlock(&cache_lock);
  return argument;
}

static void *load(void *argument) {
#ifdef FIXED
  pthread_mutex_lock(&cache_lock);
  pthread_mutex_lock(&disk_lock);
#else
  pthread_mutex_lock(&disk_lock); // RACE:2
  pthread_mutex_lock(&cache_lock);
#endif
  cached += stored;
  pthread_mutex_unlock(&cache_lock);
  pthread_mutex_unlock(&disk_lock);
  return argument;
}

int main(void) {
  pthread_t heart = start(heartbeat, NULL), writer = start(write_back, NULL), loader = start(load, NULL);
  finish(writer);
  finish(loader);
  WRITE_ONCE(stop, 1);
  finish(heart);
  return stored == 0;
}
