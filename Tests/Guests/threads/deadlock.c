// shows: two threads take two mutexes in opposite order: a deadlock, which ends the run with a verdict.
// build: static -O1 -pthread -static
// native: skip
// exit: 123
// stderr: deadlock
#include "guest.h"

static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER, second = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both;

static void *body(void *argument) {
  pthread_mutex_t *mine = argument ? &first : &second, *other = argument ? &second : &first;
  pthread_mutex_lock(mine);
  pthread_barrier_wait(&both);
  pthread_mutex_lock(other);
  return NULL;
}

int main(void) {
  pthread_t threads[2];
  pthread_barrier_init(&both, NULL, 2);
  for (long i = 0; i < 2; i++) pthread_create(&threads[i], NULL, body, (void *)i);
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  return 0;
}
