// shows: a thread reads CLOCK_MONOTONIC until another thread sets a flag; another reads it until a time has passed.
// build: dynamic -O1 -pthread
// build: static -O1 -pthread -static
// engine: translated
#include "guest.h"

static volatile int flag;

static void *work(void *argument) {
  volatile long sum = 0;
  for (long i = 0; i < 300000; i++) sum += i;
  flag = 1;
  return argument;
}

int main(void) {
  pthread_t thread;
  int64_t last = guest_now_ns(CLOCK_MONOTONIC), backwards = 0;
  ZERO(pthread_create(&thread, NULL, work, NULL));
  while (!flag) {
    int64_t now = guest_now_ns(CLOCK_MONOTONIC);
    backwards += now < last;
    last = now;
  }
  CHECK(backwards == 0);
  ZERO(pthread_join(thread, NULL));
  int64_t until = guest_now_ns(CLOCK_MONOTONIC) + 20000000;
  while (guest_now_ns(CLOCK_MONOTONIC) < until) {}
  until = guest_now_ns(CLOCK_REALTIME) + 20000000;
  while (guest_now_ns(CLOCK_REALTIME) < until) {}
  until = guest_now_ns(CLOCK_THREAD_CPUTIME_ID) + 1000000;
  while (guest_now_ns(CLOCK_THREAD_CPUTIME_ID) < until) {}
  return guest_done("clock");
}
