// shows: a reader-writer lock with an upgrade: two readers that both upgrade wait for each other to stop reading.
// fails: deadlock
// preemptions: 1
#include "bug.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int readers, writing, value;

static void read_lock(void) {
  pthread_mutex_lock(&lock);
  while (writing) pthread_cond_wait(&changed, &lock);
  readers++; // RACE:1
  pthread_mutex_unlock(&lock);
}

static void read_unlock(void) {
  pthread_mutex_lock(&lock);
  readers--;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
}

// From reading to writing.
static void upgrade(void) {
  pthread_mutex_lock(&lock);
#ifdef FIXED
  readers--; // the caller must test again what it has read
  while (readers > 0 || writing) pthread_cond_wait(&changed, &lock);
  writing = 1;
#else
  while (readers > 1) pthread_cond_wait(&changed, &lock); // RACE:2
  readers--;
  writing = 1;
#endif
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
}

static void write_unlock(void) {
  pthread_mutex_lock(&lock);
  writing = 0;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
}

static void *fill_once(void *argument) {
  read_lock();
  if (value != 0) {
    read_unlock();
    return argument;
  }
  upgrade();
  if (value == 0) value = 42;
  write_unlock();
  return argument;
}

int main(void) {
  pthread_t first = start(fill_once, NULL), second = start(fill_once, NULL);
  finish(first);
  finish(second);
  return value != 42;
}
