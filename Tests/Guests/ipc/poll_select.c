// shows: poll and select: readiness of pipes, files, closed ends, bad descriptors, time-outs, remaining time, wake by a child.
// build: static -O1 -static
#include <sys/select.h>
#include "guest.h"

int main(void) {
  int ends[2], hung[2];
  char byte;
  OK(pipe(ends));
  OK(pipe(hung));
  close(hung[1]);
  int file = OK(open("poll-file", O_CREAT | O_RDWR | O_TRUNC, 0600));
  struct pollfd set[6] = {{.fd = ends[0], .events = POLLIN}, {.fd = ends[1], .events = POLLOUT}, {.fd = -1, .events = POLLIN},
                          {.fd = 99, .events = POLLIN}, {.fd = hung[0], .events = POLLIN}, {.fd = file, .events = POLLIN | POLLOUT}};
  CHECK(poll(set, 6, 0) == 4);
  CHECK(set[0].revents == 0 && set[1].revents == POLLOUT && set[2].revents == 0 && set[3].revents == POLLNVAL);
  CHECK(set[4].revents == POLLHUP && set[5].revents == (POLLIN | POLLOUT));
  int64_t before = guest_now_ns(CLOCK_MONOTONIC);
  CHECK(poll(set, 1, 20) == 0);
  CHECK(guest_now_ns(CLOCK_MONOTONIC) - before >= 20000000);
  close(ends[0]);
  CHECK(poll(&set[1], 1, 0) == 1 && (set[1].revents & POLLERR));
  close(ends[1]);

  OK(pipe(ends));
  pid_t child = OK(fork());
  if (child == 0) {
    guest_sleep_ms(20);
    write(ends[1], "a", 1);
    _exit(0);
  }
  set[0].fd = ends[0];
  CHECK(poll(set, 1, -1) == 1 && set[0].revents == POLLIN);
  CHECK(guest_wait(child) == 0);

  fd_set readable, writable;
  FD_ZERO(&readable);
  FD_ZERO(&writable);
  FD_SET(ends[0], &readable);
  FD_SET(ends[1], &writable);
  FD_SET(file, &readable);
  struct timeval limit = {3, 0};
  CHECK(select(64, &readable, &writable, NULL, &limit) == 3);
  CHECK(FD_ISSET(ends[0], &readable) && FD_ISSET(file, &readable) && FD_ISSET(ends[1], &writable));
  CHECK(limit.tv_sec >= 2);
  read(ends[0], &byte, 1);
  FD_ZERO(&readable);
  FD_SET(ends[0], &readable);
  limit = (struct timeval){0, 20000};
  CHECK(select(ends[0] + 1, &readable, NULL, NULL, &limit) == 0);
  CHECK(!FD_ISSET(ends[0], &readable) && limit.tv_sec == 0 && limit.tv_usec == 0);
  FD_SET(40, &readable);  // below 64: larger numbers than the table holds are not looked at
  FAILS(select(41, &readable, NULL, NULL, &limit), EBADF);
  FAILS(select(-1, NULL, NULL, NULL, &limit), EINVAL);
  unlink("poll-file");
  return guest_done("poll_select");
}
