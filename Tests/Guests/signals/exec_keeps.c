// shows: what of signals an execve keeps: the mask, pending signals, ignored ones, the alarm; not handlers, not the alternate stack.
// build: static -O1 -pthread -static
#include "guest.h"

static void handler(int number) { (void)number; }
static void *idle(void *argument) {
  for (;;) pause();
  return argument;
}

static int second(void) {
  sigset_t set;
  OK(sigpending(&set));
  CHECK(sigismember(&set, SIGUSR1) == 1 && sigismember(&set, SIGRTMIN + 1) == 1 && sigismember(&set, SIGUSR2) == 0);
  sigprocmask(SIG_SETMASK, NULL, &set);
  CHECK(sigismember(&set, SIGUSR1) == 1 && sigismember(&set, SIGTERM) == 0);
  struct sigaction action;
  sigaction(SIGUSR1, NULL, &action);
  CHECK(action.sa_handler == SIG_DFL && action.sa_flags == 0);
  sigaction(SIGPIPE, NULL, &action);
  CHECK(action.sa_handler == SIG_IGN);
  stack_t stack;
  OK(sigaltstack(NULL, &stack));
  CHECK(stack.ss_flags == SS_DISABLE && stack.ss_size == 0);
  struct itimerval timer;
  OK(getitimer(ITIMER_REAL, &timer));
  CHECK(timer.it_value.tv_sec > 0);
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGRTMIN + 1);
  siginfo_t info;
  struct timespec none = {0, 0};
  CHECK(sigtimedwait(&set, &info, &none) == SIGUSR1 && info.si_pid == getpid());
  for (int i = 0; i < 2; i++) CHECK(sigtimedwait(&set, &info, &none) == SIGRTMIN + 1 && info.si_value.sival_int == i);
  FAILS(sigtimedwait(&set, &info, &none), EAGAIN);
  return guest_done("exec_keeps");
}

int main(int argc, char **argv, char **environment) {
  if (argc > 1) return second();
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART | SA_ONSTACK};
  OK(sigaction(SIGUSR1, &action, NULL));
  signal(SIGPIPE, SIG_IGN);
  stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
  OK(sigaltstack(&stack, NULL));
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGRTMIN + 1);
  sigprocmask(SIG_SETMASK, &set, NULL);
  alarm(1000);
  OK(kill(getpid(), SIGUSR1));
  OK(kill(getpid(), SIGUSR1));
  for (int i = 0; i < 2; i++) OK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = i}));
  pthread_t thread;
  for (int i = 0; i < 3; i++) ZERO(pthread_create(&thread, NULL, idle, NULL));
  char *const arguments[] = {argv[0], "second", NULL};
  execve("/proc/self/exe", arguments, environment);
  return 1;
}
