// shows: pidfds: poll at the end, waitid, signals, getfd, O_NONBLOCK, CLONE_PIDFD; kcmp; what is refused.
// build: static -O1 -static
#include <linux/kcmp.h>
#include <linux/sched.h>
#include "guest.h"
#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static int pidfd_open_(pid_t pid, unsigned flags) { return (int)syscall(SYS_pidfd_open, pid, flags); }
static int pidfd_signal(int fd, int number, siginfo_t *info, unsigned flags) {
  return (int)syscall(SYS_pidfd_send_signal, fd, number, info, flags);
}
static int readable(int fd, int ms) {
  struct pollfd poll_ = {.fd = fd, .events = POLLIN};
  return poll(&poll_, 1, ms) == 1 && (poll_.revents & POLLIN) != 0;
}

int main(void) {
  FAILS(pidfd_open_(-1, 0), EINVAL);
  FAILS(pidfd_open_(getpid(), 1), EINVAL);
  FAILS(pidfd_open_(999999, 0), ESRCH);
  int ends[2], go[2];
  OK(pipe(ends));
  OK(pipe(go));
  pid_t child = OK(fork());
  if (child == 0) {
    char byte;
    int mine = OK(open("/dev/null", O_RDONLY));
    OK(dup2(mine, 60));
    write(ends[1], "r", 1);
    read(go[0], &byte, 1);
    _exit(23);
  }
  char byte;
  read(ends[0], &byte, 1);
  int fd = OK(pidfd_open_(child, 0));
  CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
  CHECK(!readable(fd, 0));
  OK(pidfd_signal(fd, 0, NULL, 0));
  FAILS(pidfd_signal(fd, 65, NULL, 0), EINVAL);
  FAILS(pidfd_signal(ends[0], 0, NULL, 0), EBADF);
  int taken = OK(syscall(SYS_pidfd_getfd, fd, 60, 0));
  CHECK(fcntl(taken, F_GETFD) == FD_CLOEXEC);
  CHECK(read(taken, &byte, 1) == 0);
  FAILS(syscall(SYS_pidfd_getfd, fd, 61, 0), EBADF);
  CHECK(syscall(SYS_kcmp, getpid(), child, KCMP_FILE, taken, 60) == 0);
  CHECK(syscall(SYS_kcmp, getpid(), child, KCMP_VM, 0, 0) > 0);
  CHECK(syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILES, 0, 0) == 0);
  FAILS(syscall(SYS_kcmp, getpid(), child, 99, 0, 0), EINVAL);
  FAILS(syscall(SYS_kcmp, getpid(), 999999, KCMP_VM, 0, 0), ESRCH);

  siginfo_t info;
  memset(&info, 1, sizeof info);
  OK(waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG));
  CHECK(info.si_pid == 0 && info.si_signo == 0);
  int patient = OK(pidfd_open_(child, O_NONBLOCK));
  FAILS(waitid(P_PIDFD, (id_t)patient, &info, WEXITED), EAGAIN);
  FAILS(waitid(P_PIDFD, (id_t)ends[0], &info, WEXITED), EBADF);
  FAILS(waitid(P_PIDFD, 900, &info, WEXITED), EBADF);
  write(go[1], "g", 1);
  CHECK(readable(fd, 5000));
  OK(waitid(P_PIDFD, (id_t)fd, &info, WEXITED));
  CHECK(info.si_pid == child && info.si_code == CLD_EXITED && info.si_status == 23 && info.si_signo == SIGCHLD);
  CHECK(readable(fd, 0));
  FAILS(pidfd_signal(fd, 0, NULL, 0), ESRCH);
  FAILS(waitid(P_PIDFD, (id_t)fd, &info, WEXITED), ECHILD);

  int made = -1;
  struct clone_args arguments;
  memset(&arguments, 0, sizeof arguments);
  arguments.flags = CLONE_PIDFD;
  arguments.pidfd = (uint64_t)(uintptr_t)&made;
  arguments.exit_signal = SIGCHLD;
  child = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
  if (child == 0) for (;;) pause();
  CHECK(child > 0 && made > 2);
  OK(pidfd_signal(made, SIGKILL, NULL, 0));
  OK(waitid(P_PIDFD, (id_t)made, &info, WEXITED));
  CHECK(info.si_code == CLD_KILLED && info.si_status == SIGKILL);
  return guest_done("pidfd");
}
