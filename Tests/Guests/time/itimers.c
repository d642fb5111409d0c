// shows: setitimer and alarm: one shot, periodic, remaining time, replaced, cleared in a child, CPU-time timers.
// build: static -O1 -static
#include "guest.h"

static volatile int alarms, virtual_alarms, profiles;
static void handler(int number) {
  if (number == SIGALRM) alarms++;
  if (number == SIGVTALRM) virtual_alarms++;
  if (number == SIGPROF) profiles++;
}

int main(void) {
  struct sigaction action = {.sa_handler = handler};
  sigaction(SIGALRM, &action, NULL);
  sigaction(SIGVTALRM, &action, NULL);
  sigaction(SIGPROF, &action, NULL);
  CHECK(alarm(100) == 0);
  unsigned left = alarm(0);
  CHECK(left >= 99 && left <= 100);
  struct itimerval set = {.it_value = {0, 10000}, .it_interval = {0, 10000}}, old, zero = {0};
  OK(setitimer(ITIMER_REAL, &set, NULL));
  while (alarms < 3) pause();
  OK(getitimer(ITIMER_REAL, &old));
  CHECK(old.it_interval.tv_usec == 10000);
  pid_t child = OK(fork());
  if (child == 0) {
    struct itimerval mine;
    getitimer(ITIMER_REAL, &mine);
    _exit(mine.it_value.tv_usec == 0 && mine.it_value.tv_sec == 0 ? 0 : 1);
  }
  CHECK(guest_wait(child) == 0);
  OK(setitimer(ITIMER_REAL, &zero, &old));
  int seen = alarms;
  guest_sleep_ms(30);
  CHECK(alarms == seen);
  set.it_value.tv_usec = 1000000;
  FAILS(setitimer(ITIMER_REAL, &set, NULL), EINVAL);
  FAILS(setitimer(9, &zero, NULL), EINVAL);

  set = (struct itimerval){.it_value = {0, 10000}};
  OK(setitimer(ITIMER_VIRTUAL, &set, NULL));
  OK(setitimer(ITIMER_PROF, &set, NULL));
  // Until both came: computing with calls in between, at most 200,000 calls.
  volatile long work = 0;
  for (long calls = 0; calls < 200000 && (!virtual_alarms || !profiles); calls++) {
    for (int i = 0; i < 1000; i++) work = work + i;
    getppid();
  }
  CHECK(virtual_alarms == 1 && profiles == 1);
  return guest_done("itimers");
}
