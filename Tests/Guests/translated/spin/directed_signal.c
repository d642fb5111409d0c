// shows: a signal sent by pthread_kill or kill reaches a thread or process that spins without a syscall.
// build: static -O1 -pthread -static
// engine: translated
#include "guest.h"

static volatile sig_atomic_t told;
static volatile int ready;
static void note(int number) { told = number; }

static void *spinner(void *argument) {
  ready = 1;
  while (!told) {}
  return argument;
}

int main(void) {
  struct sigaction action = {.sa_handler = note};
  OK(sigaction(SIGUSR1, &action, NULL));
  pthread_t thread;
  ZERO(pthread_create(&thread, NULL, spinner, NULL));
  while (!ready) sched_yield();
  ZERO(pthread_kill(thread, SIGUSR1));
  ZERO(pthread_join(thread, NULL));
  pid_t child = OK(fork());
  if (child == 0) for (volatile int turns = 0;; turns++) {}
  guest_sleep_ms(2);
  OK(kill(child, SIGTERM));
  CHECK(guest_wait(child) == SIGTERM);
  child = OK(fork());
  if (child == 0) for (;;) {}
  OK(kill(child, SIGSTOP));
  int status;
  CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
  OK(kill(child, SIGCONT));
  OK(kill(child, SIGKILL));
  CHECK(guest_wait(child) == SIGKILL);
  return guest_done("directed_signal");
}
