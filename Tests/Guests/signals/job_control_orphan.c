// shows: SIGTSTP by default does nothing in an orphaned process group, SIGSTOP still stops.
// build: static -O1 -static
#include "guest.h"

int main(void) {
  int status;
  pid_t child = OK(fork());
  if (child == 0) {
    setsid();  // alone in its session: an orphaned group
    raise(SIGTSTP);
    _exit(3);
  }
  CHECK(waitpid(child, &status, WUNTRACED) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
  child = OK(fork());
  if (child == 0) {
    setsid();
    raise(SIGSTOP);
    _exit(4);
  }
  CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
  kill(child, SIGCONT);
  CHECK(guest_wait(child) == 4 << 8);
  return guest_done("job_control_orphan");
}
