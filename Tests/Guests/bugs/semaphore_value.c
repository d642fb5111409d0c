// shows: sem_getvalue before sem_wait in place of sem_trywait: two takers see the same item, and the second waits for ever.
// fails: deadlock
// preemptions: 1
#include <semaphore.h>

#include "bug.h"

static sem_t items;

static int try_take(void) {
#ifdef FIXED
  return sem_trywait(&items) == 0;
#else
  int value;
  sem_getvalue(&items, &value); // RACE:1
  if (value == 0) return 0;
  sem_wait(&items); // RACE:2
  return 1;
#endif
}

static void *take(void *argument) {
  *(int *)argument = try_take();
  return NULL;
}

int main(void) {
  int taken[2] = {0, 0};
  sem_init(&items, 0, 1);
  pthread_t other = start(take, &taken[0]);
  take(&taken[1]);
  finish(other);
  return taken[0] + taken[1] != 1;
}
