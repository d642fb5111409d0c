// shows: two threads that hold one lock and try for the other, a few times only: both back off and one gives up its work.
// fails: signal 6
// preemptions: 1
#include "bug.h"

static pthread_mutex_t left = PTHREAD_MUTEX_INITIALIZER, right = PTHREAD_MUTEX_INITIALIZER;
static int moved;

static int lock_both(pthread_mutex_t *own, pthread_mutex_t *other) {
#ifdef FIXED
  (void)own, (void)other;
  pthread_mutex_lock(&left);
  pthread_mutex_lock(&right);
  return 1;
#else
  for (int attempt = 0; attempt < 3; attempt++) {
    pthread_mutex_lock(own);                         // RACE:1
    if (pthread_mutex_trylock(other) == 0) return 1; // RACE:2
    pthread_mutex_unlock(own);
  }
  return 0;
#endif
}

static void move(pthread_mutex_t *own, pthread_mutex_t *other) {
  if (!lock_both(own, other)) fail("gave up after three attempts");
  moved++;
  pthread_mutex_unlock(other);
  pthread_mutex_unlock(own);
}

static void *move_right(void *argument) {
  move(&left, &right);
  return argument;
}

int main(void) {
  pthread_t other = start(move_right, NULL);
  move(&right, &left);
  finish(other);
  return moved != 2;
}
