// What every guest program shares: checks that go on after a failure, so that one run shows all of them,
// and the exit status that says whether any failed. Output must not depend on schedule, time or pids.
#ifndef GUEST_H
#define GUEST_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int guest_failures;

static inline void guest_fail(const char *file, int line, const char *what) {
  int saved = errno;
  __atomic_add_fetch(&guest_failures, 1, __ATOMIC_SEQ_CST);
  const char *base = strrchr(file, '/');
  printf("FAIL %s:%d: %s (errno %d: %s)\n", base ? base + 1 : file, line, what, saved, strerror(saved));
  fflush(stdout);
}

/// Records a failure when `condition` does not hold, and goes on.
#define CHECK(condition)                                             \
  do {                                                               \
    if (!(condition)) guest_fail(__FILE__, __LINE__, #condition);    \
  } while (0)

/// The call must not return -1; its value is passed on.
#define OK(call)                                                     \
  __extension__({                                                    \
    errno = 0;                                                       \
    long ok_value = (long)(call);                                    \
    if (ok_value == -1) guest_fail(__FILE__, __LINE__, #call);       \
    ok_value;                                                        \
  })

/// The call must return -1 with this errno.
#define FAILS(call, number)                                                              \
  do {                                                                                   \
    errno = 0;                                                                           \
    long fails_value = (long)(call);                                                     \
    if (fails_value != -1 || errno != (number))                                          \
      guest_fail(__FILE__, __LINE__, #call " fails with " #number);                      \
  } while (0)

/// The pthread-style call must return 0.
#define ZERO(call)                                                   \
  do {                                                               \
    errno = (int)(call);                                             \
    if (errno != 0) guest_fail(__FILE__, __LINE__, #call " == 0");   \
  } while (0)

/// Last line of every guest: its name, and the exit status.
static inline int guest_done(const char *name) {
  int failures = __atomic_load_n(&guest_failures, __ATOMIC_SEQ_CST);
  if (failures == 0) printf("%s: ok\n", name);
  else printf("%s: %d checks failed\n", name, failures);
  fflush(stdout);
  return failures != 0;
}

/// Waits for one child and gives its wait status, or -1.
static inline int guest_wait(pid_t pid) {
  int status = -1;
  pid_t got;
  do got = waitpid(pid, &status, 0); while (got == -1 && errno == EINTR);
  return got == pid ? status : -1;
}

static inline int64_t guest_now_ns(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline void guest_sleep_ms(long ms) {
  struct timespec left = {ms / 1000, ms % 1000 * 1000000};
  while (nanosleep(&left, &left) == -1 && errno == EINTR) {}
}

static inline struct timespec guest_deadline(clockid_t clock, long ms) {
  int64_t at = guest_now_ns(clock) + (int64_t)ms * 1000000;
  return (struct timespec){at / 1000000000, at % 1000000000};
}
#endif
