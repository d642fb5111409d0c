// shows: cancellation: in a blocked read, a condition wait and a sleep; cleanup handlers; disabled cancelling.
// build: static -O1 -pthread -static
// build: dynamic -O1 -pthread
#include "guest.h"

static int pipe_ends[2];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static sem_t ready;
static int cleaned;

static void clean(void *argument) {
  cleaned++;
  if (argument) pthread_mutex_unlock(argument);
}

static void *in_read(void *argument) {
  char byte;
  (void)argument;
  pthread_cleanup_push(clean, NULL);
  sem_post(&ready);
  read(pipe_ends[0], &byte, 1);
  pthread_cleanup_pop(0);
  return NULL;
}

static void *in_wait(void *argument) {
  (void)argument;
  pthread_mutex_lock(&lock);
  pthread_cleanup_push(clean, &lock);
  sem_post(&ready);
  for (;;) pthread_cond_wait(&never, &lock);
  pthread_cleanup_pop(0);
  return NULL;
}

static void *in_sleep(void *argument) {
  (void)argument;
  pthread_cleanup_push(clean, NULL);
  sem_post(&ready);
  sleep(1000);
  pthread_cleanup_pop(0);
  return NULL;
}

static void *disabled(void *argument) {
  (void)argument;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
  sem_post(&ready);
  guest_sleep_ms(20);
  return (void *)5;
}

static void *asynchronous(void *argument) {
  (void)argument;
  pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
  sem_post(&ready);
  for (;;) sched_yield();
}

static void *cancel_one(void *(*body)(void *)) {
  pthread_t thread;
  void *value = NULL;
  ZERO(pthread_create(&thread, NULL, body, NULL));
  sem_wait(&ready);
  sched_yield();
  ZERO(pthread_cancel(thread));
  ZERO(pthread_join(thread, &value));
  return value;
}

int main(void) {
  OK(pipe(pipe_ends));
  sem_init(&ready, 0, 0);
  CHECK(cancel_one(in_read) == PTHREAD_CANCELED);
  CHECK(cancel_one(in_wait) == PTHREAD_CANCELED);
  CHECK(cancel_one(in_sleep) == PTHREAD_CANCELED);
  CHECK(cancel_one(asynchronous) == PTHREAD_CANCELED);
  CHECK(cancel_one(disabled) == (void *)5);
  CHECK(pthread_mutex_trylock(&lock) == 0);
  printf("cleaned %d\n", cleaned);
  return guest_done("cancel");
}
