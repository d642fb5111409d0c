// shows: wait4 and waitid: WNOHANG, WUNTRACED, WCONTINUED, WNOWAIT, by group, siginfo, ECHILD, __WALL, rusage.
// build: static -O1 -static
#include "guest.h"

int main(void) {
  int status;
  FAILS(waitpid(-1, &status, WNOHANG), ECHILD);
  pid_t child = OK(fork());
  if (child == 0) {
    raise(SIGSTOP);
    guest_sleep_ms(50);  // a stop that follows at once would hide the continue
    raise(SIGSTOP);
    _exit(17);
  }
  CHECK(waitpid(child, &status, WUNTRACED) == child);
  CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
  CHECK(waitpid(child, &status, WUNTRACED | WNOHANG) == 0);
  OK(kill(child, SIGCONT));
  CHECK(waitpid(child, &status, WCONTINUED) == child);
  CHECK(WIFCONTINUED(status));
  siginfo_t info;
  memset(&info, 0, sizeof info);
  OK(waitid(P_PID, (id_t)child, &info, WSTOPPED));
  CHECK(info.si_code == CLD_STOPPED && info.si_status == SIGSTOP && info.si_pid == child && info.si_signo == SIGCHLD);
  OK(kill(child, SIGCONT));
  OK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT));
  CHECK(info.si_code == CLD_EXITED && info.si_status == 17 && info.si_pid == child);
  OK(waitid(P_ALL, 0, &info, WEXITED));
  CHECK(info.si_status == 17);
  FAILS(waitid(P_ALL, 0, &info, WEXITED), ECHILD);
  FAILS(waitid(P_ALL, 0, &info, 0), EINVAL);

  pid_t quick = OK(fork());
  if (quick == 0) _exit(1);
  pid_t grouped = OK(fork());
  if (grouped == 0) {
    setpgid(0, 0);
    _exit(2);
  }
  setpgid(grouped, grouped);
  CHECK(waitpid(-grouped, &status, 0) == grouped);
  CHECK(WEXITSTATUS(status) == 2);
  struct rusage usage;
  CHECK(wait4(0, &status, 0, &usage) == quick);
  CHECK(WEXITSTATUS(status) == 1);

  pid_t killed = OK(fork());
  if (killed == 0) for (;;) pause();
  OK(kill(killed, SIGTERM));
  OK(waitid(P_PID, (id_t)killed, &info, WEXITED));
  CHECK(info.si_code == CLD_KILLED && info.si_status == SIGTERM);
  pid_t aborted = OK(fork());
  if (aborted == 0) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    abort();
  }
  CHECK(WTERMSIG(guest_wait(aborted)) == SIGABRT);
  FAILS(waitpid(getpid(), &status, 0), ECHILD);
  FAILS(waitpid(-1, &status, 0x10000000), EINVAL);
  return guest_done("wait_options");
}
