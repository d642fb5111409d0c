// shows: mutexes with priority inheritance (FUTEX_LOCK_PI): contention, try, timed, EDEADLK, with condvars.
// build: static -O1 -pthread -static
#include "guest.h"

static pthread_mutex_t lock;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long counter;
static int turn;

static void *add(void *argument) {
  (void)argument;
  for (int i = 0; i < 100; i++) {
    ZERO(pthread_mutex_lock(&lock));
    long seen = counter;
    sched_yield();
    counter = seen + 1;
    ZERO(pthread_mutex_unlock(&lock));
  }
  return NULL;
}

static void *ping(void *argument) {
  int me = (int)(long)argument;
  for (int i = 0; i < 50; i++) {
    pthread_mutex_lock(&lock);
    while (turn != me) pthread_cond_wait(&changed, &lock);
    turn = !me;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
  }
  return NULL;
}

static void *timed(void *argument) {
  (void)argument;
  CHECK(pthread_mutex_trylock(&lock) == EBUSY);
  struct timespec deadline = guest_deadline(CLOCK_REALTIME, 20);
  return (void *)(long)pthread_mutex_timedlock(&lock, &deadline);
}

int main(void) {
  pthread_t threads[4];
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  ZERO(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT));
  ZERO(pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK));
  ZERO(pthread_mutex_init(&lock, &attributes));
  for (int i = 0; i < 4; i++) ZERO(pthread_create(&threads[i], NULL, add, NULL));
  for (int i = 0; i < 4; i++) ZERO(pthread_join(threads[i], NULL));
  printf("counter %ld\n", counter);
  CHECK(counter == 400);
  for (long i = 0; i < 2; i++) ZERO(pthread_create(&threads[i], NULL, ping, (void *)i));
  for (int i = 0; i < 2; i++) ZERO(pthread_join(threads[i], NULL));
  ZERO(pthread_mutex_lock(&lock));
  CHECK(pthread_mutex_lock(&lock) == EDEADLK);
  void *value;
  ZERO(pthread_create(&threads[0], NULL, timed, NULL));
  ZERO(pthread_join(threads[0], &value));
  CHECK((long)value == ETIMEDOUT);
  ZERO(pthread_mutex_unlock(&lock));
  return guest_done("inheritance");
}
