// shows: incr reads an item under the lock and stores the sum under the lock, but lets it go between: one increment is lost.
// fails: signal 6
// preemptions: 1
// source: memcached issue 127 (1.4.4, incr/decr not atomic), among the bugs of Maple (Yu et al., OOPSLA 2012)
#include "bug.h"

static struct { pthread_mutex_t lock; char value[16]; } item = {PTHREAD_MUTEX_INITIALIZER, ""};

static long item_get(void) {
  pthread_mutex_lock(&item.lock);
  long value = atol(item.value);
  pthread_mutex_unlock(&item.lock); // RACE:1
  return value;
}

static void item_set(long value) {
  pthread_mutex_lock(&item.lock);
  snprintf(item.value, sizeof item.value, "%ld", value); // RACE:2
  pthread_mutex_unlock(&item.lock);
}

static void increment(long delta) {
#ifdef FIXED
  static pthread_mutex_t whole = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&whole);
#endif
  long value = item_get();
  item_set(value + delta);
#ifdef FIXED
  pthread_mutex_unlock(&whole);
#endif
}

static void *client(void *argument) {
  increment((long)argument);
  return NULL;
}

int main(void) {
  item_set(10);
  if (item_get() != 10) give_up("the item");
  pthread_t first = start(client, (void *)1), second = start(client, (void *)5);
  finish(first);
  finish(second);
  if (item_get() != 16) fail("an increment is lost");
  return 0;
}
