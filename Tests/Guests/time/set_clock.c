// shows: the realtime clock that a privileged program sets, as calls and readings without one tell it, here, in a child, and in a program that a child becomes.
// build: static -O1 -static
// native: skip
#include "guest.h"

static int64_t called(clockid_t clock) {
  struct timespec now;
  OK(syscall(SYS_clock_gettime, clock, &now));
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

enum { WANTED = 2000000000 };

static void check_set(void) {
  struct timeval day;
  CHECK(guest_now_ns(CLOCK_REALTIME) / 1000000000 == WANTED);
  CHECK(called(CLOCK_REALTIME) / 1000000000 == WANTED);
  OK(gettimeofday(&day, NULL));
  CHECK(day.tv_sec == WANTED && time(NULL) == WANTED);
}

int main(int count, char **arguments) {
  if (count > 1) {
    check_set();
    return guest_failures != 0;
  }
  int64_t before = guest_now_ns(CLOCK_REALTIME), monotonic = guest_now_ns(CLOCK_MONOTONIC);
  CHECK(before / 1000000000 != WANTED);
  pid_t waiting = OK(fork());
  if (waiting == 0) {
    // It has its mappings already when the clock is set.
    guest_sleep_ms(20);
    if (geteuid() == 0) check_set();
    _exit(guest_failures != 0);
  }
  int set = clock_settime(CLOCK_REALTIME, &(struct timespec){WANTED, 0});
  CHECK(geteuid() == 0 ? set == 0 : set == -1 && errno == EPERM);
  CHECK(guest_now_ns(CLOCK_MONOTONIC) - monotonic < 1000000000);
  if (set == 0) {
    check_set();
    pid_t child = OK(fork());
    if (child == 0) {
      execl("/proc/self/exe", arguments[0], "again", NULL);
      _exit(2);
    }
    CHECK(guest_wait(child) == 0);
  }
  CHECK(guest_wait(waiting) == 0);
  return guest_done("set_clock");
}
