// shows: a lost signal: it comes between the test of the flag and pause(), which then waits for ever.
// fails: deadlock
// preemptions: 1
// source: Stevens, "Advanced Programming in the UNIX Environment", chapter Signals: the window between a test and pause
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bug.h"

static volatile sig_atomic_t ready;

static void note(int number) {
  (void)number;
  ready = 1; // RACE:2
}

int main(void) {
  struct sigaction action = {.sa_handler = note};
  sigaction(SIGUSR1, &action, NULL);
#ifdef FIXED
  sigset_t wanted, before;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGUSR1);
  sigprocmask(SIG_BLOCK, &wanted, &before);
#endif
  pid_t pid = fork();
  if (pid == -1) give_up("fork");
  if (pid == 0) {
    kill(getppid(), SIGUSR1);
    _exit(0);
  }
  while (!ready) { // RACE:1
#ifdef FIXED
    sigsuspend(&before);
#else
    pause();
#endif
  }
  return waitpid(pid, NULL, 0) != pid;
}
