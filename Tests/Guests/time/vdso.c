// shows: clocks that are read without a call: each reading is later, they agree with the calls, RDTSC goes on with them, a wait by polling ends, also beside another thread.
// build: static -O1 -pthread -static
// build: dynamic -O1 -pthread
#include <x86intrin.h>
#include "guest.h"

static volatile int done;

static int64_t called(clockid_t clock) {
  struct timespec now;
  OK(syscall(SYS_clock_gettime, clock, &now));
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t read_real(void) { return guest_now_ns(CLOCK_REALTIME); }

static void *poller(void *argument) {
  int64_t until = guest_now_ns(CLOCK_MONOTONIC) + 20000000;
  while (guest_now_ns(CLOCK_MONOTONIC) < until) {}
  done = 1;
  return argument;
}

int main(void) {
  static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME};
  for (size_t i = 0; i < sizeof clocks / sizeof clocks[0]; i++) {
    int64_t last = called(clocks[i]);
    for (int j = 0; j < 100; j++) {
      // Now and then by a call: neither way runs ahead of the other.
      int64_t now = j % 7 == 3 ? called(clocks[i]) : guest_now_ns(clocks[i]);
      CHECK(now >= last && now - last < 1000000000);
      last = now;
    }
  }
  for (int i = 0; i < 50; i++) {
    struct timeval day;
    int64_t before = read_real();
    OK(gettimeofday(&day, NULL));
    int64_t between = (int64_t)day.tv_sec * 1000000 + day.tv_usec, after = read_real();
    CHECK(before / 1000 <= between && between <= after / 1000);
    time_t stored = 0, seconds = time(&stored);
    CHECK(seconds == stored && labs(seconds - (long)(after / 1000000000)) <= 1);
  }
  struct timezone zone = {1, 1};
  struct timeval day;
  OK(gettimeofday(&day, &zone));
  OK(gettimeofday(NULL, NULL));
  uint64_t stamp = __rdtsc();
  for (int i = 0; i < 100; i++) {
    uint64_t next = __rdtsc();
    CHECK(next > stamp);
    stamp = next;
  }
  // By more readings than a machine answers for without a look at the time.
  int64_t until = guest_now_ns(CLOCK_MONOTONIC) + 50000000;
  while (guest_now_ns(CLOCK_MONOTONIC) < until) {}
  pthread_t thread;
  ZERO(pthread_create(&thread, NULL, poller, NULL));
  int64_t last = 0;
  while (!done) {
    int64_t now = guest_now_ns(CLOCK_MONOTONIC);
    CHECK(now >= last);
    last = now;
  }
  ZERO(pthread_join(thread, NULL));
  // A child reads the same clocks, and a program that it becomes finds them.
  pid_t child = OK(fork());
  if (child == 0) _exit(guest_now_ns(CLOCK_MONOTONIC) > last ? 0 : 1);
  CHECK(guest_wait(child) == 0);
  return guest_done("vdso");
}
