// shows: sigsuspend and ppoll swap the mask and restore it after the handler; pselect likewise.
// build: static -O1 -static
#include "guest.h"

static volatile int calls, masked_inside;
static void handler(int number) {
  sigset_t mask;
  (void)number;
  calls++;
  sigprocmask(SIG_SETMASK, NULL, &mask);
  masked_inside = sigismember(&mask, SIGUSR2);
}

int main(void) {
  sigset_t block, wait_mask, now;
  struct sigaction action = {.sa_handler = handler};
  sigaction(SIGUSR1, &action, NULL);
  sigemptyset(&block);
  sigaddset(&block, SIGUSR1);
  sigprocmask(SIG_BLOCK, &block, NULL);
  sigemptyset(&wait_mask);
  sigaddset(&wait_mask, SIGUSR2);
  raise(SIGUSR1);
  CHECK(calls == 0);
  FAILS(sigsuspend(&wait_mask), EINTR);
  CHECK(calls == 1 && masked_inside);
  sigprocmask(SIG_SETMASK, NULL, &now);
  CHECK(sigismember(&now, SIGUSR1) && !sigismember(&now, SIGUSR2));

  pid_t child = OK(fork());
  if (child == 0) {
    for (int i = 0; i < 20; i++) {
      kill(getppid(), SIGUSR1);
      guest_sleep_ms(2);
    }
    _exit(0);
  }
  while (calls < 4) sigsuspend(&wait_mask);
  while (guest_wait(child) != 0) {}
  raise(SIGUSR1);
  int before = calls;
  struct timespec limit = {1, 0};
  FAILS(ppoll(NULL, 0, &limit, &wait_mask), EINTR);
  CHECK(calls == before + 1);
  raise(SIGUSR1);
  FAILS(pselect(0, NULL, NULL, NULL, &limit, &wait_mask), EINTR);
  CHECK(calls == before + 2);
  raise(SIGUSR1);
  limit = (struct timespec){0, 1000000};
  CHECK(ppoll(NULL, 0, &limit, NULL) == 0);  // stays blocked
  CHECK(calls == before + 2);
  return guest_done("suspend");
}
