// shows: epoll: level, edge, one-shot, data kept, modify, delete, hang-up, nested, closed descriptors, threads, time-outs.
// build: static -O1 -pthread -static
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include "guest.h"

static int poll_fd;
static void control(int operation, int fd, uint32_t events, uint64_t data) {
  struct epoll_event event = {.events = events, .data.u64 = data};
  OK(epoll_ctl(poll_fd, operation, fd, &event));
}
static void *waits(void *argument) {
  struct epoll_event event;
  (void)argument;
  return (void *)(long)(epoll_wait(poll_fd, &event, 1, -1) == 1 ? event.data.u64 : 0);
}

int main(void) {
  struct epoll_event events[8] = {0};
  int ends[2], other[2];
  char byte;
  poll_fd = OK(epoll_create1(EPOLL_CLOEXEC));
  OK(pipe2(ends, O_NONBLOCK));
  control(EPOLL_CTL_ADD, ends[0], EPOLLIN, 0x1234567890abcdef);
  FAILS(epoll_ctl(poll_fd, EPOLL_CTL_ADD, ends[0], &events[0]), EEXIST);
  FAILS(epoll_ctl(poll_fd, EPOLL_CTL_DEL, ends[1], NULL), ENOENT);
  FAILS(epoll_ctl(poll_fd, EPOLL_CTL_ADD, poll_fd, &events[0]), EINVAL);
  FAILS(epoll_wait(poll_fd, events, 0, 0), EINVAL);
  int file = OK(open("/proc/self/exe", O_RDONLY));
  FAILS(epoll_ctl(poll_fd, EPOLL_CTL_ADD, file, &events[0]), EPERM);
  CHECK(epoll_wait(poll_fd, events, 8, 0) == 0);
  int64_t before = guest_now_ns(CLOCK_MONOTONIC);
  CHECK(epoll_wait(poll_fd, events, 8, 20) == 0);
  CHECK(guest_now_ns(CLOCK_MONOTONIC) - before >= 20000000);
  write(ends[1], "ab", 2);
  for (int i = 0; i < 2; i++) CHECK(epoll_wait(poll_fd, events, 8, 0) == 1 && events[0].data.u64 == 0x1234567890abcdef && events[0].events == EPOLLIN);

  control(EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLET, 2);
  CHECK(epoll_wait(poll_fd, events, 8, 0) == 1 && events[0].data.u64 == 2);
  CHECK(epoll_wait(poll_fd, events, 8, 0) == 0);
  read(ends[0], &byte, 1);
  CHECK(epoll_wait(poll_fd, events, 8, 0) == 0);
  write(ends[1], "c", 1);
  CHECK(epoll_wait(poll_fd, events, 8, 0) == 1);

  control(EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLONESHOT, 3);
  CHECK(epoll_wait(poll_fd, events, 8, 0) == 1);
  write(ends[1], "d", 1);
  CHECK(epoll_wait(poll_fd, events, 8, 0) == 0);
  control(EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLONESHOT, 4);
  CHECK(epoll_wait(poll_fd, events, 8, 0) == 1 && events[0].data.u64 == 4);
  control(EPOLL_CTL_MOD, ends[0], EPOLLIN, 5);

  int outer = OK(epoll_create1(0));
  struct epoll_event nested = {.events = EPOLLIN, .data.u64 = 77};
  OK(epoll_ctl(outer, EPOLL_CTL_ADD, poll_fd, &nested));
  CHECK(epoll_wait(outer, events, 8, 0) == 1 && events[0].data.u64 == 77);
  close(ends[1]);
  while (read(ends[0], &byte, 1) == 1) {}
  CHECK(epoll_wait(poll_fd, events, 8, 0) == 1 && events[0].events == EPOLLHUP);
  close(ends[0]);
  CHECK(epoll_wait(poll_fd, events, 8, 0) == 0);  // closing took it out
  CHECK(epoll_wait(outer, events, 8, 0) == 0);

  OK(pipe(other));
  int event = OK(eventfd(0, EFD_NONBLOCK));
  control(EPOLL_CTL_ADD, other[0], EPOLLIN, 10);
  control(EPOLL_CTL_ADD, other[1], EPOLLOUT, 11);
  control(EPOLL_CTL_ADD, event, EPOLLIN | EPOLLOUT, 12);
  write(other[1], "x", 1);
  CHECK(epoll_wait(poll_fd, events, 8, -1) == 3);
  uint64_t sum = 0;
  for (int i = 0; i < 3; i++) sum += events[i].data.u64;
  CHECK(sum == 33);
  CHECK(epoll_wait(poll_fd, events, 2, -1) == 2);
  OK(epoll_ctl(poll_fd, EPOLL_CTL_DEL, other[1], NULL));
  read(other[0], &byte, 1);
  control(EPOLL_CTL_MOD, event, EPOLLIN, 12);
  pthread_t thread;
  ZERO(pthread_create(&thread, NULL, waits, NULL));
  guest_sleep_ms(20);
  uint64_t one = 1;
  write(event, &one, 8);
  void *value;
  ZERO(pthread_join(thread, &value));
  CHECK((long)value == 12);
  return guest_done("epolls");
}
