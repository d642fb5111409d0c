// shows: a consumer that tests its condition with if: another one takes the item before the woken one has the lock.
// fails: signal 6
// preemptions: 2
#include "bug.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
static int items[4], count;

static void push(int item) {
  pthread_mutex_lock(&lock);
  items[count++] = item;
  pthread_cond_signal(&filled);
  pthread_mutex_unlock(&lock);
}

static void *take(void *argument) {
  pthread_mutex_lock(&lock); // RACE:2
#ifdef FIXED
  while (count == 0) pthread_cond_wait(&filled, &lock);
#else
  if (count == 0) pthread_cond_wait(&filled, &lock); // RACE:1
#endif
  if (count == 0) fail("took an item from an empty list");
  count--;
  pthread_mutex_unlock(&lock);
  return argument;
}

int main(void) {
  pthread_t takers[] = {start(take, NULL), start(take, NULL)};
  push(1);
  push(2);
  finish(takers[0]);
  finish(takers[1]);
  return count != 0;
}
