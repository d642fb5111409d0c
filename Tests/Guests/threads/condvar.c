// shows: condition variables: bounded buffer of 3 producers and 2 consumers, broadcast, timed waits on both clocks.
// build: static -O1 -pthread -static
// build: dynamic -O2 -pthread
#include "guest.h"

enum { producers = 3, consumers = 2, items = 200, room = 4 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER, not_full = PTHREAD_COND_INITIALIZER;
static int buffer[room], used, produced_all;
static long sum, count;

static void *produce(void *argument) {
  long base = (long)argument * items;
  for (int i = 0; i < items; i++) {
    pthread_mutex_lock(&lock);
    while (used == room) pthread_cond_wait(&not_full, &lock);
    buffer[used++] = (int)(base + i);
    pthread_cond_signal(&not_empty);
    pthread_mutex_unlock(&lock);
  }
  return NULL;
}

static void *consume(void *argument) {
  (void)argument;
  for (;;) {
    pthread_mutex_lock(&lock);
    while (used == 0 && !produced_all) pthread_cond_wait(&not_empty, &lock);
    if (used == 0) break;
    sum += buffer[--used];
    count++;
    pthread_cond_signal(&not_full);
    pthread_mutex_unlock(&lock);
  }
  pthread_mutex_unlock(&lock);
  return NULL;
}

static pthread_cond_t gate = PTHREAD_COND_INITIALIZER;
static int waiting, opened;
static void *wait_gate(void *argument) {
  (void)argument;
  pthread_mutex_lock(&lock);
  waiting++;
  while (!opened) pthread_cond_wait(&gate, &lock);
  waiting--;
  pthread_mutex_unlock(&lock);
  return NULL;
}

static void timed(clockid_t clock) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  ZERO(pthread_condattr_setclock(&attributes, clock));
  pthread_cond_t never;
  ZERO(pthread_cond_init(&never, &attributes));
  struct timespec deadline = guest_deadline(clock, 25);
  int64_t before = guest_now_ns(clock);
  pthread_mutex_lock(&lock);
  CHECK(pthread_cond_timedwait(&never, &lock, &deadline) == ETIMEDOUT);
  pthread_mutex_unlock(&lock);
  CHECK(guest_now_ns(clock) - before >= 20000000);
}

int main(void) {
  pthread_t producer[producers], consumer[consumers], waiter[5];
  for (long i = 0; i < consumers; i++) ZERO(pthread_create(&consumer[i], NULL, consume, NULL));
  for (long i = 0; i < producers; i++) ZERO(pthread_create(&producer[i], NULL, produce, (void *)i));
  for (int i = 0; i < producers; i++) ZERO(pthread_join(producer[i], NULL));
  pthread_mutex_lock(&lock);
  produced_all = 1;
  pthread_cond_broadcast(&not_empty);
  pthread_mutex_unlock(&lock);
  for (int i = 0; i < consumers; i++) ZERO(pthread_join(consumer[i], NULL));
  CHECK(count == producers * items);
  printf("count %ld sum %ld\n", count, sum);

  for (int i = 0; i < 5; i++) ZERO(pthread_create(&waiter[i], NULL, wait_gate, NULL));
  int seen = 0;
  while (seen < 5) {
    pthread_mutex_lock(&lock);
    seen = waiting;
    pthread_mutex_unlock(&lock);
    sched_yield();
  }
  pthread_mutex_lock(&lock);
  opened = 1;
  pthread_cond_broadcast(&gate);
  pthread_mutex_unlock(&lock);
  for (int i = 0; i < 5; i++) ZERO(pthread_join(waiter[i], NULL));
  CHECK(waiting == 0);
  timed(CLOCK_REALTIME);
  timed(CLOCK_MONOTONIC);
  return guest_done("condvar");
}
