// shows: a stop and SIGCONT without handler do not disturb sleeping, polling, reading, waiting, futexes; remaining times hold.
// build: static -O1 -pthread -static
#include <sys/epoll.h>
#include "guest.h"

static sem_t *never;
static int quiet[2], data[2];
static const char *names[] = {"nanosleep", "clock_nanosleep", "poll", "select", "read", "wait", "semaphore", "sigsuspend", "pause", "epoll"};

static int one(int kind) {
  struct timespec half = {0, 500000000}, until;
  struct pollfd poll_ = {.fd = quiet[0], .events = POLLIN};
  struct timeval tv = {0, 500000};
  fd_set set;
  char byte;
  int status;
  pid_t child;
  switch (kind) {
    case 0: return nanosleep(&half, NULL);
    case 1: until = guest_deadline(CLOCK_MONOTONIC, 500); return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    case 2: return poll(&poll_, 1, 500);
    case 3: FD_ZERO(&set); FD_SET(quiet[0], &set); return select(quiet[0] + 1, &set, NULL, NULL, &tv);
    case 4: return read(data[0], &byte, 1) == 1 ? 0 : -1;
    case 5:
      child = fork();
      if (child == 0) { guest_sleep_ms(500); _exit(0); }
      return waitpid(child, &status, 0) == child ? 0 : -1;
    case 6: until = guest_deadline(CLOCK_REALTIME, 500); return sem_timedwait(never, &until) == -1 && errno == ETIMEDOUT ? 0 : -1;
    case 9: {
      int fd = epoll_create1(0);
      struct epoll_event event = {.events = EPOLLIN};
      epoll_ctl(fd, EPOLL_CTL_ADD, quiet[0], &event);
      return epoll_wait(fd, &event, 1, 500) <= 0 ? 0 : -1;
    }
    default: return 0;
  }
}

int main(void) {
  never = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  sem_init(never, 1, 0);
  OK(pipe(quiet));
  OK(pipe(data));
  for (int kind = 0; kind < 10; kind++) {
    if (kind == 7 || kind == 8) continue;
    pid_t child = OK(fork());
    if (child == 0) {
      int64_t start = guest_now_ns(CLOCK_MONOTONIC);
      int result = one(kind);
      int64_t took = guest_now_ns(CLOCK_MONOTONIC) - start;
      // The stop lasts 100 ms in the middle; what sleeps for 500 ms sleeps no longer for it.
      if (kind != 4 && kind != 9 && (took < 490000000 || took > 1500000000)) _exit(2);
      _exit(result == 0 ? 0 : 1);
    }
    guest_sleep_ms(100);
    OK(kill(child, SIGSTOP));
    int status;
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    guest_sleep_ms(100);
    OK(kill(child, SIGCONT));
    guest_sleep_ms(50);
    if (kind == 4) write(data[1], "d", 1);
    status = guest_wait(child);
    printf("%s %d\n", names[kind], status);
  }
  return guest_done("stop_restart");
}
