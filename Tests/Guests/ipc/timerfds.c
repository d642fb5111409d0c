// shows: timerfd: one shot, periodic with counts of missed ticks, absolute, disarm, settings read back, in epoll.
// build: static -O1 -static
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include "guest.h"

int main(void) {
  uint64_t ticks = 0;
  struct itimerspec set = {.it_value = {0, 20000000}}, current;
  int timer = OK(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  FAILS(read(timer, &ticks, 8), EAGAIN);
  OK(timerfd_settime(timer, 0, &set, NULL));
  OK(timerfd_gettime(timer, &current));
  CHECK(current.it_value.tv_sec == 0 && current.it_value.tv_nsec > 0 && current.it_value.tv_nsec <= 20000000);
  struct pollfd wait_for = {.fd = timer, .events = POLLIN};
  CHECK(poll(&wait_for, 1, 5000) == 1);
  CHECK(read(timer, &ticks, 8) == 8 && ticks == 1);
  FAILS(read(timer, &ticks, 8), EAGAIN);

  int blocking = OK(timerfd_create(CLOCK_REALTIME, 0));
  set = (struct itimerspec){.it_value = {0, 5000000}, .it_interval = {0, 5000000}};
  OK(timerfd_settime(blocking, 0, &set, NULL));
  guest_sleep_ms(52);
  CHECK(read(blocking, &ticks, 8) == 8 && ticks >= 10);
  CHECK(read(blocking, &ticks, 8) == 8 && ticks >= 1);
  struct itimerspec off = {0}, old;
  OK(timerfd_settime(blocking, 0, &off, &old));
  CHECK(old.it_interval.tv_nsec == 5000000);
  OK(timerfd_gettime(blocking, &current));
  CHECK(current.it_value.tv_nsec == 0 && current.it_value.tv_sec == 0);

  set = (struct itimerspec){.it_value = guest_deadline(CLOCK_REALTIME, 20)};
  OK(timerfd_settime(blocking, TFD_TIMER_ABSTIME, &set, NULL));
  CHECK(read(blocking, &ticks, 8) == 8 && ticks == 1);
  set.it_value = (struct timespec){1, 0};  // long past
  OK(timerfd_settime(blocking, TFD_TIMER_ABSTIME, &set, NULL));
  CHECK(read(blocking, &ticks, 8) == 8 && ticks == 1);

  int poll_fd = OK(epoll_create1(0));
  struct epoll_event event = {.events = EPOLLIN, .data.fd = timer};
  OK(epoll_ctl(poll_fd, EPOLL_CTL_ADD, timer, &event));
  set = (struct itimerspec){.it_value = {0, 10000000}, .it_interval = {0, 10000000}};
  OK(timerfd_settime(timer, 0, &set, NULL));
  for (int i = 0; i < 3; i++) {
    CHECK(epoll_wait(poll_fd, &event, 1, 5000) == 1 && event.data.fd == timer);
    CHECK(read(timer, &ticks, 8) == 8);
  }
  set.it_value.tv_nsec = 1000000000;
  FAILS(timerfd_settime(timer, 0, &set, NULL), EINVAL);
  FAILS(timerfd_create(77, 0), EINVAL);
  return guest_done("timerfds");
}
