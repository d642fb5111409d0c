// shows: every clock runs forwards, resolutions, sleeping moves real and monotonic clocks, CPU clocks, errors, time and gettimeofday agree.
// build: static -O1 -static
// build: dynamic -O1
#include <sys/times.h>
#include "guest.h"

int main(void) {
  static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE,
                                     CLOCK_BOOTTIME, CLOCK_TAI, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};
  for (size_t i = 0; i < sizeof clocks / sizeof clocks[0]; i++) {
    struct timespec resolution;
    OK(clock_getres(clocks[i], &resolution));
    CHECK(resolution.tv_sec == 0 && resolution.tv_nsec >= 1 && resolution.tv_nsec <= 10000000);
    int64_t last = guest_now_ns(clocks[i]);
    CHECK(last >= 0);
    for (int j = 0; j < 200; j++) {
      int64_t now = guest_now_ns(clocks[i]);
      CHECK(now >= last);
      last = now;
    }
  }
  int64_t real = guest_now_ns(CLOCK_REALTIME), monotonic = guest_now_ns(CLOCK_MONOTONIC);
  int64_t process = guest_now_ns(CLOCK_PROCESS_CPUTIME_ID);
  guest_sleep_ms(50);
  CHECK(guest_now_ns(CLOCK_REALTIME) - real >= 50000000);
  CHECK(guest_now_ns(CLOCK_MONOTONIC) - monotonic >= 50000000);
  CHECK(guest_now_ns(CLOCK_PROCESS_CPUTIME_ID) - process < 50000000);
  struct timeval now;
  OK(gettimeofday(&now, NULL));
  CHECK(now.tv_sec > 1500000000);
  CHECK(labs(time(NULL) - now.tv_sec) <= 1);
  CHECK(syscall(SYS_time, NULL) - now.tv_sec <= 1);
  struct tms usage;
  OK(times(&usage));
  CHECK(clock() >= 0);
  FAILS(clock_gettime(99, &(struct timespec){0}), EINVAL);
  FAILS(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, (void *)8), EFAULT);
  clockid_t mine;
  ZERO(clock_getcpuclockid(0, &mine));
  CHECK(guest_now_ns(mine) > 0);
  return guest_done("clocks");
}
