// shows: the default action of every signal, seen by a parent.
// build: static -O1 -static
#include "guest.h"

int main(void) {
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  for (int number = 1; number <= 64; number++) {
    if (number == 32 || number == 33) continue;  // used by the C library
    fflush(stdout);
    pid_t child = OK(fork());
    if (child == 0) {
      sigset_t empty;
      sigemptyset(&empty);
      sigprocmask(SIG_SETMASK, &empty, NULL);
      signal(number, SIG_DFL);
      kill(getpid(), number);
      _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, WUNTRACED) == child);
    if (WIFSTOPPED(status)) {
      printf("%d stops\n", number);
      kill(child, SIGKILL);
      guest_wait(child);
    } else if (WIFSIGNALED(status)) {
      printf("%d ends by %d\n", number, WTERMSIG(status));
    } else {
      printf("%d is ignored\n", number);
    }
  }
  return guest_done("default_actions");
}
