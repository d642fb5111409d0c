// shows: real-time signals queue with values, lowest number first, in order; standard signals come before; the limit.
// build: static -O1 -static
#include "guest.h"

static volatile int numbers[40], values[40], used;
static void note(int number, siginfo_t *info, void *context) {
  (void)context;
  numbers[used] = number;
  values[used++] = info->si_value.sival_int;
}

int main(void) {
  struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
  sigset_t all;
  sigfillset(&all);
  action.sa_mask = all;
  for (int i = 0; i < 4; i++) sigaction(SIGRTMIN + i, &action, NULL);
  sigaction(SIGUSR2, &action, NULL);
  sigprocmask(SIG_BLOCK, &all, NULL);
  for (int i = 0; i < 12; i++) OK(sigqueue(getpid(), SIGRTMIN + 3 - i % 4, (union sigval){.sival_int = i}));
  OK(sigqueue(getpid(), SIGUSR2, (union sigval){.sival_int = 100}));
  OK(sigqueue(getpid(), SIGUSR2, (union sigval){.sival_int = 101}));
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  for (int i = 0; i < used; i++) printf("%s%d value %d\n", numbers[i] == SIGUSR2 ? "USR2 " : "RT+", numbers[i] == SIGUSR2 ? 0 : numbers[i] - SIGRTMIN, values[i]);
  CHECK(used == 13);

  sigprocmask(SIG_BLOCK, &all, NULL);
  struct rlimit limit = {5, 5};
  OK(setrlimit(RLIMIT_SIGPENDING, &limit));
  int queued = 0;
  if (getuid() != 0) {
    while (queued < 20 && sigqueue(getpid(), SIGRTMIN, (union sigval){0}) == 0) queued++;
    CHECK(queued <= 5);
  }
  return guest_done("realtime");
}
