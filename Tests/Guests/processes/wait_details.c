// shows: what waitid and SIGCHLD tell; threads and their own children; exit signals; statuses of every way to end.
// build: static -O1 -pthread -static
#include "guest.h"
#ifndef __WNOTHREAD
#define __WNOTHREAD 0x20000000
#endif

static siginfo_t seen;
static volatile sig_atomic_t seen_count;
static void on_child(int number, siginfo_t *info, void *context) {
  (void)number, (void)context;
  seen = *info;
  seen_count++;
}
static pid_t child_that_ends(int how) {
  pid_t child = OK(fork());
  if (child) return child;
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  if (how < 256) _exit(how);
  signal(how - 256, SIG_DFL);
  raise(how - 256);
  _exit(111);
}
static pid_t of_main;
static void *other_thread(void *argument) {
  (void)argument;
  int status;
  FAILS(waitpid(-1, &status, WNOHANG | __WNOTHREAD), ECHILD);
  pid_t mine = child_that_ends(4);
  CHECK(waitpid(-1, &status, __WNOTHREAD) == mine && status == 4 << 8);
  CHECK(waitpid(of_main, &status, 0) == of_main && status == 3 << 8);
  return NULL;
}

int main(void) {
  struct sigaction action = {.sa_sigaction = on_child, .sa_flags = SA_SIGINFO};
  sigaction(SIGCHLD, &action, NULL);
  int status;
  siginfo_t info;
  struct {
    int how, code, value, status;
  } ways[] = {{0, CLD_EXITED, 0, 0}, {255, CLD_EXITED, 255, 255 << 8}, {256 + SIGTERM, CLD_KILLED, SIGTERM, SIGTERM},
              {256 + SIGKILL, CLD_KILLED, SIGKILL, SIGKILL}, {256 + SIGSEGV, CLD_KILLED, SIGSEGV, SIGSEGV},
              {256 + SIGABRT, CLD_KILLED, SIGABRT, SIGABRT}, {256 + SIGRTMIN, CLD_KILLED, SIGRTMIN, SIGRTMIN}};
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    seen_count = 0;
    pid_t child = child_that_ends(ways[i].how);
    while (waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == -1 && errno == EINTR) {}
    CHECK(info.si_pid == child && info.si_uid == getuid() && info.si_signo == SIGCHLD && info.si_errno == 0);
    CHECK(info.si_code == ways[i].code && info.si_status == ways[i].value);
    struct rusage usage;
    memset(&usage, 0xff, sizeof usage);
    CHECK(wait4(child, &status, 0, &usage) == child && status == ways[i].status);
    CHECK(usage.ru_utime.tv_sec >= 0 && usage.ru_utime.tv_usec < 1000000);
    CHECK(seen_count == 1 && seen.si_pid == child && seen.si_code == ways[i].code && seen.si_status == ways[i].value);
  }
  signal(SIGCHLD, SIG_DFL);
  FAILS(waitpid(-1, &status, 0), ECHILD);
  FAILS(waitpid(INT_MIN, &status, 0), ESRCH);
  FAILS(waitpid(-1, &status, 0x40), EINVAL);
  FAILS(waitid(P_ALL, 0, &info, WNOHANG), EINVAL);
  FAILS(waitid(P_PID, 0, &info, WEXITED), EINVAL);
  FAILS(waitid((idtype_t)17, 0, &info, WEXITED), EINVAL);
  FAILS(wait4(-1, (int *)8, 0, NULL), ECHILD);
  pid_t child = child_that_ends(1);
  OK(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT));
  FAILS(wait4(child, (int *)8, 0, NULL), EFAULT);  // and yet it is reaped
  FAILS(waitpid(child, &status, 0), ECHILD);

  of_main = child_that_ends(3);
  pthread_t thread;
  ZERO(pthread_create(&thread, NULL, other_thread, NULL));
  ZERO(pthread_join(thread, NULL));

  signal(SIGUSR1, SIG_IGN);
  child = (pid_t)syscall(SYS_clone, SIGUSR1, 0, 0, 0, 0);
  if (child == 0) _exit(6);
  FAILS(waitpid(child, &status, 0), ECHILD);  // not a SIGCHLD child
  CHECK(waitpid(child, &status, __WCLONE) == child && status == 6 << 8);
  child = (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0);
  if (child == 0) _exit(7);
  CHECK(waitpid(child, &status, __WALL) == child && status == 7 << 8);

  child = OK(fork());
  if (child == 0) {
    setpgid(0, 0);
    _exit(8);
  }
  setpgid(child, child);
  OK(waitid(P_PGID, (id_t)child, &info, WEXITED));
  CHECK(info.si_pid == child && info.si_status == 8);
  OK(waitid(P_ALL, 0, NULL, WEXITED | WNOHANG) == -1 && errno == ECHILD ? 0 : -1);
  return guest_done("wait_details");
}
