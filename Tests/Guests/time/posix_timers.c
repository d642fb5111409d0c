// shows: timer_create: signal with value, SIGEV_NONE, SIGEV_THREAD_ID, SIGEV_THREAD, overrun, absolute, delete, errors.
// build: static -O1 -pthread -static
#include "guest.h"
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static volatile int calls, value, code;
static volatile pid_t thread_seen;
static void handler(int number, siginfo_t *info, void *context) {
  (void)number, (void)context;
  calls++;
  value = info->si_value.sival_int;
  code = info->si_code;
  thread_seen = gettid();
}
static sem_t notified;
static void notify(union sigval argument) {
  if (argument.sival_int == 31) sem_post(&notified);
}

int main(void) {
  timer_t timer;
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  sigaction(SIGRTMIN, &action, NULL);
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 19};
  OK(timer_create(CLOCK_MONOTONIC, &event, &timer));
  struct itimerspec set = {.it_value = {0, 10000000}}, now, zero = {0};
  OK(timer_settime(timer, 0, &set, NULL));
  OK(timer_gettime(timer, &now));
  CHECK(now.it_value.tv_nsec > 0 && now.it_value.tv_nsec <= 10000000);
  while (!calls) pause();
  CHECK(calls == 1 && value == 19 && code == SI_TIMER);
  OK(timer_gettime(timer, &now));
  CHECK(now.it_value.tv_nsec == 0);
  set = (struct itimerspec){.it_value = guest_deadline(CLOCK_MONOTONIC, 20)};
  OK(timer_settime(timer, TIMER_ABSTIME, &set, NULL));
  while (calls < 2) pause();

  sigset_t block, old;
  sigemptyset(&block);
  sigaddset(&block, SIGRTMIN);
  sigprocmask(SIG_BLOCK, &block, &old);
  set = (struct itimerspec){.it_value = {0, 1000000}, .it_interval = {0, 1000000}};
  OK(timer_settime(timer, 0, &set, NULL));
  guest_sleep_ms(30);
  siginfo_t info;
  CHECK(sigwaitinfo(&block, &info) == SIGRTMIN);
  CHECK(timer_getoverrun(timer) >= 20);
  OK(timer_settime(timer, 0, &zero, NULL));
  struct timespec none = {0, 0};
  sigtimedwait(&block, &info, &none);
  sigprocmask(SIG_SETMASK, &old, NULL);
  OK(timer_delete(timer));
  FAILS(timer_gettime(timer, &now), EINVAL);

  event = (struct sigevent){.sigev_notify = SIGEV_NONE};
  OK(timer_create(CLOCK_REALTIME, &event, &timer));
  OK(timer_settime(timer, 0, &(struct itimerspec){.it_value = {100, 0}}, NULL));
  OK(timer_gettime(timer, &now));
  CHECK(now.it_value.tv_sec >= 98);
  OK(timer_delete(timer));

  event = (struct sigevent){.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN};
  event.sigev_notify_thread_id = gettid();
  OK(timer_create(CLOCK_MONOTONIC, &event, &timer));
  OK(timer_settime(timer, 0, &(struct itimerspec){.it_value = {0, 5000000}}, NULL));
  int before = calls;
  while (calls == before) pause();
  CHECK(thread_seen == gettid());
  OK(timer_delete(timer));

  sem_init(&notified, 0, 0);
  event = (struct sigevent){.sigev_notify = SIGEV_THREAD, .sigev_notify_function = notify, .sigev_value.sival_int = 31};
  OK(timer_create(CLOCK_REALTIME, &event, &timer));
  OK(timer_settime(timer, 0, &(struct itimerspec){.it_value = {0, 5000000}, .it_interval = {0, 5000000}}, NULL));
  for (int i = 0; i < 3; i++) OK(sem_wait(&notified));
  OK(timer_delete(timer));
  FAILS(timer_create(77, NULL, &timer), EINVAL);
  return guest_done("posix_timers");
}
