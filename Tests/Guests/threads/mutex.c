// shows: mutexes of every type, contended by 8 threads; EDEADLK, EBUSY, EPERM and timed locks.
// build: static -O1 -pthread -static
// build: pie -O2 -pthread -fPIE -pie
// build: nopie -O1 -pthread -no-pie
#include "guest.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long counter;

static void *add(void *argument) {
  (void)argument;
  for (int i = 0; i < 500; i++) {
    pthread_mutex_lock(&lock);
    long seen = counter;
    if (i % 50 == 0) sched_yield();
    counter = seen + 1;
    pthread_mutex_unlock(&lock);
  }
  return NULL;
}

static void *unlock_foreign(void *argument) { return (void *)(long)pthread_mutex_unlock(argument); }
static void *try_foreign(void *argument) { return (void *)(long)pthread_mutex_trylock(argument); }

static void make(pthread_mutex_t *mutex, int type) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, type);
  ZERO(pthread_mutex_init(mutex, &attributes));
}

static long in_thread(void *(*body)(void *), void *argument) {
  pthread_t thread;
  void *value;
  ZERO(pthread_create(&thread, NULL, body, argument));
  ZERO(pthread_join(thread, &value));
  return (long)value;
}

int main(void) {
  pthread_t threads[8];
  for (int i = 0; i < 8; i++) ZERO(pthread_create(&threads[i], NULL, add, NULL));
  for (int i = 0; i < 8; i++) ZERO(pthread_join(threads[i], NULL));
  CHECK(counter == 4000);
  printf("counter %ld\n", counter);

  pthread_mutex_t checked, recursive;
  make(&checked, PTHREAD_MUTEX_ERRORCHECK);
  ZERO(pthread_mutex_lock(&checked));
  CHECK(pthread_mutex_lock(&checked) == EDEADLK);
  CHECK(in_thread(unlock_foreign, &checked) == EPERM);
  CHECK(in_thread(try_foreign, &checked) == EBUSY);
  ZERO(pthread_mutex_unlock(&checked));
  CHECK(pthread_mutex_unlock(&checked) == EPERM);

  make(&recursive, PTHREAD_MUTEX_RECURSIVE);
  for (int i = 0; i < 3; i++) ZERO(pthread_mutex_lock(&recursive));
  for (int i = 0; i < 3; i++) {
    CHECK(in_thread(try_foreign, &recursive) == EBUSY);
    ZERO(pthread_mutex_unlock(&recursive));
  }
  ZERO(pthread_mutex_lock(&lock));
  int64_t before = guest_now_ns(CLOCK_REALTIME);
  struct timespec deadline = guest_deadline(CLOCK_REALTIME, 30);
  CHECK(pthread_mutex_timedlock(&lock, &deadline) == ETIMEDOUT);
  CHECK(guest_now_ns(CLOCK_REALTIME) - before >= 30000000);
  deadline = guest_deadline(CLOCK_MONOTONIC, 20);
  CHECK(pthread_mutex_clocklock(&lock, CLOCK_MONOTONIC, &deadline) == ETIMEDOUT);
  ZERO(pthread_mutex_unlock(&lock));
  return guest_done("mutex");
}
