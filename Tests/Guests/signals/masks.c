// shows: masks, pending sets, SA_NODEFER, SA_RESETHAND, sa_mask, one standard signal pending at most, KILL and STOP unblockable.
// build: static -O1 -pthread -static
#include "guest.h"

static volatile int depth, deepest, calls, saw_blocked;
static void nested(int number) {
  depth++;
  calls++;
  if (depth > deepest) deepest = depth;
  if (calls < 3) raise(number);
  depth--;
}
static void check_mask(int number) {
  sigset_t mask;
  sigprocmask(SIG_SETMASK, NULL, &mask);
  saw_blocked = sigismember(&mask, number) && sigismember(&mask, SIGUSR2) && sigismember(&mask, SIGHUP);
}
static void count(int number) { (void)number; calls++; }

static void *other(void *argument) {
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, NULL, &mask);
  CHECK(sigismember(&mask, SIGUSR1));
  sigset_t pending;
  sigpending(&pending);
  CHECK(sigismember(&pending, SIGUSR1) == (argument != NULL));
  return NULL;
}

int main(void) {
  sigset_t set, old, pending;
  struct sigaction action = {.sa_handler = nested};
  sigaction(SIGUSR1, &action, NULL);
  raise(SIGUSR1);
  CHECK(calls == 3 && deepest == 1);
  calls = deepest = 0;
  action.sa_flags = SA_NODEFER;
  sigaction(SIGUSR1, &action, NULL);
  raise(SIGUSR1);
  CHECK(calls == 3 && deepest == 3);

  action = (struct sigaction){.sa_handler = check_mask};
  sigaddset(&action.sa_mask, SIGUSR2);
  sigaction(SIGUSR1, &action, NULL);
  sigemptyset(&set);
  sigaddset(&set, SIGHUP);
  sigprocmask(SIG_BLOCK, &set, &old);
  raise(SIGUSR1);
  CHECK(saw_blocked);
  sigprocmask(SIG_SETMASK, NULL, &set);
  CHECK(!sigismember(&set, SIGUSR1) && sigismember(&set, SIGHUP));

  calls = 0;
  action = (struct sigaction){.sa_handler = count, .sa_flags = SA_RESETHAND};
  sigaction(SIGUSR1, &action, NULL);
  raise(SIGUSR1);
  sigaction(SIGUSR1, NULL, &action);
  CHECK(calls == 1 && action.sa_handler == SIG_DFL);

  action = (struct sigaction){.sa_handler = count};
  sigaction(SIGUSR1, &action, NULL);
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, NULL);
  calls = 0;
  for (int i = 0; i < 5; i++) kill(getpid(), SIGUSR1);
  sigpending(&pending);
  CHECK(sigismember(&pending, SIGUSR1) && !sigismember(&pending, SIGUSR2));
  pthread_t thread;
  ZERO(pthread_create(&thread, NULL, other, (void *)1));
  ZERO(pthread_join(thread, NULL));
  CHECK(calls == 0);
  sigprocmask(SIG_UNBLOCK, &set, NULL);
  CHECK(calls == 1);
  sigprocmask(SIG_BLOCK, &set, NULL);
  kill(getpid(), SIGUSR1);
  signal(SIGUSR1, SIG_IGN);  // discards what is pending
  sigpending(&pending);
  CHECK(!sigismember(&pending, SIGUSR1));

  sigfillset(&set);
  sigprocmask(SIG_SETMASK, &set, NULL);
  sigprocmask(SIG_SETMASK, NULL, &set);
  CHECK(!sigismember(&set, SIGKILL) && !sigismember(&set, SIGSTOP) && sigismember(&set, SIGTERM));
  FAILS(sigaction(SIGKILL, &action, NULL), EINVAL);
  FAILS(sigaction(SIGSTOP, &action, NULL), EINVAL);
  pid_t child = OK(fork());  // the mask is inherited, pending signals are not
  if (child == 0) {
    sigpending(&pending);
    CHECK(sigisemptyset(&pending));
    raise(SIGKILL);
  }
  CHECK(guest_wait(child) == SIGKILL);
  return guest_done("masks");
}
