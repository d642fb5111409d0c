// shows: SA_RESTART restarts read, wait, futex waits; without it EINTR; nanosleep and poll never restart, remaining time is told.
// build: static -O1 -pthread -static
#include "guest.h"

static volatile int calls;
static int wake_pipe[2];
static void handler(int number) {
  (void)number;
  calls++;
}
static void install(int flags) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
  sigaction(SIGALRM, &action, NULL);
}
static void alarm_soon(void) {
  struct itimerval timer = {.it_value = {0, 20000}};
  setitimer(ITIMER_REAL, &timer, NULL);
}
static pid_t writer_after(long ms, int fd) {
  pid_t child = OK(fork());
  if (child == 0) {
    guest_sleep_ms(ms);
    write(fd, "w", 1);
    _exit(5);
  }
  return child;
}

int main(void) {
  char byte;
  int status;
  OK(pipe(wake_pipe));
  install(0);
  alarm_soon();
  FAILS(read(wake_pipe[0], &byte, 1), EINTR);
  install(SA_RESTART);
  pid_t child = writer_after(80, wake_pipe[1]);
  alarm_soon();
  CHECK(read(wake_pipe[0], &byte, 1) == 1);
  CHECK(calls == 2);
  CHECK(guest_wait(child) == 5 << 8);

  child = writer_after(80, wake_pipe[1]);
  alarm_soon();
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(calls == 3);
  read(wake_pipe[0], &byte, 1);
  install(0);
  child = writer_after(80, wake_pipe[1]);
  alarm_soon();
  FAILS(waitpid(child, &status, 0), EINTR);
  CHECK(guest_wait(child) == 5 << 8);
  read(wake_pipe[0], &byte, 1);

  install(SA_RESTART);
  struct timespec long_sleep = {5, 0}, left = {0, 0};
  alarm_soon();
  FAILS(nanosleep(&long_sleep, &left), EINTR);
  CHECK(left.tv_sec == 4 && left.tv_nsec > 0);
  alarm_soon();
  struct pollfd poll_in = {.fd = wake_pipe[0], .events = POLLIN};
  FAILS(poll(&poll_in, 1, 5000), EINTR);
  alarm_soon();
  fd_set set;
  FD_ZERO(&set);
  FD_SET(wake_pipe[0], &set);
  struct timeval limit = {5, 0};
  FAILS(select(wake_pipe[0] + 1, &set, NULL, NULL, &limit), EINTR);
  alarm_soon();
  FAILS(pause(), EINTR);
  int before = calls;
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t never = PTHREAD_COND_INITIALIZER;
  pthread_mutex_lock(&lock);
  alarm_soon();
  struct timespec deadline = guest_deadline(CLOCK_REALTIME, 60);
  CHECK(pthread_cond_timedwait(&never, &lock, &deadline) == ETIMEDOUT);
  CHECK(calls == before + 1);

  // A stop and continue without a handler restarts by restart_syscall: the sleep is not cut short.
  child = OK(fork());
  if (child == 0) {
    int64_t start = guest_now_ns(CLOCK_MONOTONIC);
    struct timespec sleep_time = {0, 100000000};
    int result = nanosleep(&sleep_time, NULL);
    _exit(result == 0 && guest_now_ns(CLOCK_MONOTONIC) - start >= 100000000 ? 0 : 1);
  }
  guest_sleep_ms(20);
  kill(child, SIGSTOP);
  guest_sleep_ms(20);
  kill(child, SIGCONT);
  CHECK(guest_wait(child) == 0);
  return guest_done("restart");
}
