// shows: thread-local variables stay apart across switches; key destructors run, in rounds.
// build: static -O1 -pthread -static
// build: dynamic -O1 -pthread
#include "guest.h"

static __thread long mine = 7;
static __thread char block[5000];
static pthread_key_t key;
static _Atomic int destroyed, again;  // Destructors of several threads count.

static void destroy(void *value) {
  destroyed++;
  if (value == (void *)99 && again++ < 1) pthread_setspecific(key, (void *)100);
}

static void *body(void *argument) {
  long id = (long)argument;
  CHECK(mine == 7);
  memset(block, (int)id, sizeof block);
  for (int i = 0; i < 50; i++) {
    mine += id;
    sched_yield();
    CHECK(mine == 7 + id * (i + 1));
    CHECK(block[0] == id && block[4999] == id);
  }
  pthread_setspecific(key, (void *)(id == 3 ? 99 : id + 1));
  return (void *)mine;
}

int main(void) {
  pthread_t threads[5];
  ZERO(pthread_key_create(&key, destroy));
  for (long i = 0; i < 5; i++) ZERO(pthread_create(&threads[i], NULL, body, (void *)i));
  for (int i = 0; i < 5; i++) {
    void *value;
    ZERO(pthread_join(threads[i], &value));
    printf("thread %d: %ld\n", i, (long)value);
  }
  CHECK(mine == 7);
  printf("destroyed %d\n", destroyed);
  return guest_done("tls");
}
