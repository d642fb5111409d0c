// shows: a bounded fork bomb: RLIMIT_NPROC or the process limit of the sandbox answers EAGAIN; all children die with the group.
// build: static -O1 -static
// native: skip
// timeout: 120
#include "guest.h"

int main(void) {
  struct rlimit limit = {200, 200};
  if (getuid() == 0) {
    OK(setgid(12345));
    OK(setuid(12345));
  }
  OK(setrlimit(RLIMIT_NPROC, &limit));
  int made = 0;
  setpgid(0, 0);
  /* Blocked, not ignored: a child that has not run yet when the group is ended finds the signal pending. */
  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  OK(sigprocmask(SIG_BLOCK, &term, NULL));
  for (int i = 0; i < 5000; i++) {
    pid_t child = fork();
    if (child == 0) {
      sigprocmask(SIG_UNBLOCK, &term, NULL);
      while (fork() >= 0) {}
      for (;;) pause();
    }
    if (child < 0) {
      CHECK(errno == EAGAIN);
      break;
    }
    made++;
    if (made > 1000) break;
  }
  CHECK(made > 0 && made <= 1000);
  kill(0, SIGTERM);
  int status;
  while (waitpid(-1, &status, 0) > 0 || errno == EINTR) {}
  return guest_done("fork_bomb");
}
