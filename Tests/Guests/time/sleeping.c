// shows: sleeping: nanosleep, clock_nanosleep absolute and relative, order of 8 sleepers by deadline, usleep, errors.
// build: static -O1 -pthread -static
#include "guest.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int order[8], used;
static int64_t base;
static void *sleeper(void *argument) {
  long index = (long)argument;
  int64_t at = base + 100000000 + (index * 5 % 8) * 40000000;
  struct timespec deadline = {at / 1000000000, at % 1000000000};
  int result;
  while ((result = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL)) == EINTR) {}
  ZERO(result);
  CHECK(guest_now_ns(CLOCK_MONOTONIC) >= at);
  pthread_mutex_lock(&lock);
  order[used++] = (int)(index * 5 % 8);
  pthread_mutex_unlock(&lock);
  return NULL;
}

int main(void) {
  pthread_t threads[8];
  base = guest_now_ns(CLOCK_MONOTONIC);
  for (long i = 0; i < 8; i++) ZERO(pthread_create(&threads[i], NULL, sleeper, (void *)i));
  for (int i = 0; i < 8; i++) ZERO(pthread_join(threads[i], NULL));
  for (int i = 0; i < 8; i++) CHECK(order[i] == i);
  int64_t before = guest_now_ns(CLOCK_MONOTONIC);
  OK(usleep(15000));
  struct timespec part = {0, 15000000};
  ZERO(clock_nanosleep(CLOCK_REALTIME, 0, &part, NULL));
  CHECK(guest_now_ns(CLOCK_MONOTONIC) - before >= 30000000);
  part.tv_nsec = 1000000000;
  FAILS(nanosleep(&part, NULL), EINVAL);
  CHECK(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &(struct timespec){0}, NULL) == EINVAL);
  struct timespec past = {1, 0};
  ZERO(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &past, NULL));
  return guest_done("sleeping");
}
