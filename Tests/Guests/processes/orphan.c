// shows: orphans: a new parent, PR_SET_CHILD_SUBREAPER, PR_SET_PDEATHSIG, SIGHUP to a stopped orphaned group.
// build: static -O1 -static
#include <sys/prctl.h>
#include "guest.h"

int main(void) {
  int ends[2];
  OK(pipe(ends));
  OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
  int reaper = 0;
  OK(prctl(PR_GET_CHILD_SUBREAPER, &reaper));
  CHECK(reaper == 1);
  pid_t me = getpid();
  pid_t child = OK(fork());
  if (child == 0) {
    pid_t middle = getpid();
    pid_t grandchild = OK(fork());
    if (grandchild == 0) {
      while (getppid() == middle) sched_yield();
      char answer = getppid() == me ? 'y' : 'n';
      write(ends[1], &answer, 1);
      _exit(8);
    }
    _exit(0);
  }
  CHECK(guest_wait(child) == 0);
  char answer = 0;
  OK(read(ends[0], &answer, 1));
  CHECK(answer == 'y');
  int status;
  CHECK(wait(&status) > 0 && WEXITSTATUS(status) == 8);

  child = OK(fork());
  if (child == 0) {
    pid_t grandchild = OK(fork());
    if (grandchild == 0) {
      prctl(PR_SET_PDEATHSIG, SIGTERM);
      write(ends[1], "r", 1);
      for (;;) pause();
    }
    char byte;
    read(ends[0], &byte, 1);
    _exit(0);
  }
  CHECK(guest_wait(child) == 0);
  CHECK(wait(&status) > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);

  // A stopped member of a group that becomes orphaned gets SIGHUP then SIGCONT (credentials(7), setpgid(2)).
  child = OK(fork());
  if (child == 0) {
    OK(setsid());
    pid_t worker = OK(fork());
    if (worker == 0) {
      OK(setpgid(0, 0));
      raise(SIGSTOP);
      _exit(5);
    }
    waitpid(worker, &status, WUNTRACED);
    _exit(WIFSTOPPED(status) ? 0 : 1);
  }
  CHECK(guest_wait(child) == 0);
  CHECK(wait(&status) > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP);
  return guest_done("orphan");
}
