// shows: sigtimedwait, sigwaitinfo, sigwait: a pending signal at once, one sent later, time-out, EINTR, thread-directed.
// build: static -O1 -pthread -static
#include "guest.h"

static void handler(int number) { (void)number; }
static void *sender(void *argument) {
  guest_sleep_ms(20);
  pthread_kill(*(pthread_t *)argument, SIGUSR1);
  return NULL;
}

int main(void) {
  sigset_t set;
  siginfo_t info;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGRTMIN + 2);
  sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, NULL);
  OK(sigqueue(getpid(), SIGRTMIN + 2, (union sigval){.sival_int = 3}));
  CHECK(sigwaitinfo(&set, &info) == SIGRTMIN + 2 && info.si_value.sival_int == 3 && info.si_code == SI_QUEUE);
  struct timespec limit = {0, 20000000}, zero = {0, 0};
  int64_t before = guest_now_ns(CLOCK_MONOTONIC);
  FAILS(sigtimedwait(&set, &info, &limit), EAGAIN);
  CHECK(guest_now_ns(CLOCK_MONOTONIC) - before >= 20000000);
  FAILS(sigtimedwait(&set, &info, &zero), EAGAIN);
  limit.tv_nsec = -1;
  FAILS(sigtimedwait(&set, &info, &limit), EINVAL);

  pthread_t me = pthread_self(), thread;
  ZERO(pthread_create(&thread, NULL, sender, &me));
  CHECK(sigwaitinfo(&set, &info) == SIGUSR1 && info.si_code == SI_USER);  // the C library turns SI_TKILL into SI_USER here
  ZERO(pthread_join(thread, NULL));

  pid_t child = OK(fork());
  if (child == 0) _exit(6);
  int number = 0;
  ZERO(sigwait(&set, &number));
  CHECK(number == SIGCHLD);
  CHECK(guest_wait(child) == 6 << 8);

  struct sigaction action = {.sa_handler = handler};
  sigaction(SIGALRM, &action, NULL);
  struct itimerval timer = {.it_value = {0, 20000}};
  setitimer(ITIMER_REAL, &timer, NULL);
  limit = (struct timespec){5, 0};
  FAILS(sigtimedwait(&set, &info, &limit), EINTR);
  return guest_done("timedwait");
}
