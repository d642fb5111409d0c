// shows: an atomicity violation over two fields: each setter takes the lock, but the pair is changed under two of them.
// fails: signal 6
// preemptions: 1
#include "bug.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int low = 0, high = 10;

#ifdef FIXED
static void set_range(int new_low, int new_high) {
  pthread_mutex_lock(&lock);
  low = new_low;
  high = new_high;
  pthread_mutex_unlock(&lock);
}
#else
static void set_low(int value) {
  pthread_mutex_lock(&lock);
  low = value; // RACE:1
  pthread_mutex_unlock(&lock);
}

static void set_high(int value) {
  pthread_mutex_lock(&lock);
  high = value;
  pthread_mutex_unlock(&lock);
}

static void set_range(int new_low, int new_high) {
  set_low(new_low);
  set_high(new_high);
}
#endif

static void *move_window(void *argument) {
  set_range(20, 30);
  return argument;
}

static void *use_window(void *argument) {
  pthread_mutex_lock(&lock);
  int width = high - low; // RACE:2
  pthread_mutex_unlock(&lock);
  if (width < 0) fail("the window has a negative width");
  return argument;
}

int main(void) {
  pthread_t mover = start(move_window, NULL), user = start(use_window, NULL);
  finish(mover);
  finish(user);
  return 0;
}
