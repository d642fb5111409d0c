// shows: one thread spins until a signal handler sets a flag: ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF, a POSIX timer, alarm.
// build: static -O1 -static
// build: dynamic -O2
// engine: translated
#include "guest.h"

static volatile sig_atomic_t flag;
static void note(int number) { flag = number; }

static void spin_for(int number) {
  while (!flag) {}
  CHECK(flag == number);
  flag = 0;
}

static void interval(int which, int number) {
  struct itimerval once = {{0, 0}, {0, 10000}}, off = {{0, 0}, {0, 0}};
  OK(setitimer(which, &once, NULL));
  spin_for(number);
  struct itimerval many = {{0, 5000}, {0, 5000}};
  OK(setitimer(which, &many, NULL));
  for (int i = 0; i < 5; i++) spin_for(number);
  OK(setitimer(which, &off, NULL));
  flag = 0;
}

int main(void) {
  int numbers[] = {SIGALRM, SIGVTALRM, SIGPROF, SIGUSR1};
  for (int i = 0; i < 4; i++) {
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
    OK(sigaction(numbers[i], &action, NULL));
  }
  interval(ITIMER_REAL, SIGALRM);
  interval(ITIMER_VIRTUAL, SIGVTALRM);
  interval(ITIMER_PROF, SIGPROF);
  timer_t timer;
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
  OK(timer_create(CLOCK_MONOTONIC, &event, &timer));
  struct itimerspec once = {{0, 0}, {0, 10000000}};
  OK(timer_settime(timer, 0, &once, NULL));
  spin_for(SIGUSR1);
  OK(timer_delete(timer));
  alarm(1);
  spin_for(SIGALRM);
  return guest_done("signal_timers");
}
