// shows: SIGCHLD ignored or SA_NOCLDWAIT reaps by itself; SA_NOCLDSTOP; zombies keep their pid; kill of a zombie works.
// build: static -O1 -static
#include "guest.h"

static volatile int child_signals;
static void on_child(int number) { (void)number; child_signals++; }

int main(void) {
  signal(SIGCHLD, SIG_IGN);
  pid_t child = OK(fork());
  if (child == 0) _exit(1);
  FAILS(waitpid(child, NULL, 0), ECHILD);
  struct sigaction action = {.sa_handler = on_child, .sa_flags = SA_NOCLDWAIT};
  sigaction(SIGCHLD, &action, NULL);
  child = OK(fork());
  if (child == 0) _exit(1);
  int result;
  while ((result = waitpid(child, NULL, 0)) == -1 && errno == EINTR) {}
  CHECK(result == -1 && errno == ECHILD);
  CHECK(child_signals == 1);

  action.sa_flags = SA_NOCLDSTOP;
  sigaction(SIGCHLD, &action, NULL);
  child_signals = 0;
  child = OK(fork());
  if (child == 0) {
    raise(SIGSTOP);
    _exit(0);
  }
  int status;
  CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
  CHECK(child_signals == 0);
  OK(kill(child, SIGCONT));
  siginfo_t info;
  while (waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == -1 && errno == EINTR) {}
  OK(kill(child, SIGUSR1));  // a zombie takes signals and stays
  CHECK(guest_wait(child) == 0);
  FAILS(kill(child, 0), ESRCH);
  CHECK(child_signals == 1);
  return guest_done("zombies");
}
