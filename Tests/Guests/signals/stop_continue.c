// shows: job control: stop and continue a threaded child, SIGCHLD codes, SIGCONT clears stops, kill while stopped.
// build: static -O1 -pthread -static
#include "guest.h"

static int *counter;
static void *counts(void *argument) {
  (void)argument;
  for (;;) {
    __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
    guest_sleep_ms(1);
  }
}
static int codes[16], used;
static void on_child(int number, siginfo_t *info, void *context) {
  (void)number, (void)context;
  if (used < 16) codes[used++] = info->si_code;
}

int main(void) {
  counter = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  struct sigaction action = {.sa_sigaction = on_child, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigaction(SIGCHLD, &action, NULL);
  pid_t child = OK(fork());
  if (child == 0) {
    setpgid(0, 0);  // a group that is not orphaned, or SIGTSTP would do nothing
    pthread_t thread;
    for (int i = 0; i < 2; i++) pthread_create(&thread, NULL, counts, NULL);
    counts(NULL);
  }
  while (__atomic_load_n(counter, __ATOMIC_SEQ_CST) < 10) guest_sleep_ms(1);
  int status;
  for (int round = 0; round < 2; round++) {
    OK(kill(child, round ? SIGTSTP : SIGSTOP));
    CHECK(waitpid(child, &status, WUNTRACED) == child);
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == (round ? SIGTSTP : SIGSTOP));
    int stopped_at = __atomic_load_n(counter, __ATOMIC_SEQ_CST);
    guest_sleep_ms(30);
    CHECK(__atomic_load_n(counter, __ATOMIC_SEQ_CST) == stopped_at);
    OK(kill(child, SIGUSR1 - SIGUSR1));  // signal 0 does nothing
    OK(kill(child, SIGCONT));
    CHECK(waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
    while (__atomic_load_n(counter, __ATOMIC_SEQ_CST) == stopped_at) guest_sleep_ms(1);
  }
  OK(kill(child, SIGSTOP));
  CHECK(waitpid(child, &status, WUNTRACED) == child);
  OK(kill(child, SIGTERM));  // waits for the continue
  guest_sleep_ms(10);
  CHECK(waitpid(child, &status, WNOHANG) == 0);
  OK(kill(child, SIGCONT));
  CHECK(guest_wait(child) == SIGTERM);
  // The last continue and the end may come as one signal.
  for (int i = 0; i < used && i < 5; i++) printf("code %d\n", codes[i]);

  child = OK(fork());
  if (child == 0) {
    raise(SIGSTOP);
    _exit(0);
  }
  waitpid(child, &status, WUNTRACED);
  OK(kill(child, SIGKILL));  // works on the stopped
  CHECK(guest_wait(child) == SIGKILL);
  return guest_done("stop_continue");
}
