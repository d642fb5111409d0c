// shows: two values with a lock each, changed in two stages: a reader comes between the stages, without any data race.
// fails: signal 6
// preemptions: 1
// source: SCTBench, CS.twostage_bad
#include "bug.h"

static pthread_mutex_t data_lock = PTHREAD_MUTEX_INITIALIZER, copy_lock = PTHREAD_MUTEX_INITIALIZER;
static int data, copy;

static void *update(void *argument) {
#ifdef FIXED
  pthread_mutex_lock(&copy_lock);
#endif
  pthread_mutex_lock(&data_lock);
  data = 1;
  pthread_mutex_unlock(&data_lock); // RACE:1
#ifndef FIXED
  pthread_mutex_lock(&copy_lock);
#endif
  copy = data + 1;
  pthread_mutex_unlock(&copy_lock);
  return argument;
}

static void *compare(void *argument) {
  pthread_mutex_lock(&data_lock);
  int seen = data;
  pthread_mutex_unlock(&data_lock);
  if (seen == 0) return argument;
  pthread_mutex_lock(&copy_lock);
  int copied = copy; // RACE:2
  pthread_mutex_unlock(&copy_lock);
  if (copied != seen + 1) fail("the copy is older than the value");
  return argument;
}

int main(void) {
  pthread_t updater = start(update, NULL), comparer = start(compare, NULL);
  finish(updater);
  finish(comparer);
  return 0;
}
