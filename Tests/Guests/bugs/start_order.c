// shows: a thread that was started long ago is taken to have done its set-up: nothing but the order of starting says so.
// fails: signal 6
// preemptions: 0
// native: 25
#include "bug.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int log_ready, disks_checked;

static void *open_log(void *argument) {
  pthread_mutex_lock(&lock);
  log_ready = 1; // RACE:1
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
  return argument;
}

static void *serve(void *argument) {
  pthread_mutex_lock(&lock);
#ifdef FIXED
  while (!log_ready) pthread_cond_wait(&changed, &lock);
#endif
  if (!log_ready) fail("a request is logged before there is a log"); // RACE:2
  pthread_mutex_unlock(&lock);
  return argument;
}

static void *check_disk(void *argument) {
  disks_checked++;
  return argument;
}

int main(void) {
  pthread_t logger = start(open_log, NULL);
  for (int disk = 0; disk < 2; disk++) finish(start(check_disk, NULL));
  pthread_t server = start(serve, NULL);
  finish(server);
  finish(logger);
  return disks_checked != 2;
}
