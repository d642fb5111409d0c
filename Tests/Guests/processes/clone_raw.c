// shows: clone and clone3 by hand: shared and separate parts, tid words, exit signal, bad flags.
// build: static -O1 -static
#include <linux/futex.h>
#include <linux/sched.h>
#include "guest.h"

static char stack[4][65536] __attribute__((aligned(16)));
static volatile int shared_value;
static int sees_tid;
static int child_tid, parent_tid;

static int separate(void *argument) {
  shared_value = 50;
  close((int)(long)argument);
  return 11;
}
static int with_memory(void *argument) {
  (void)argument;
  shared_value = 7;
  chdir("/");
  return 12;
}
static int as_thread(void *argument) {
  (void)argument;
  sees_tid = (int)syscall(SYS_gettid);
  shared_value = 9;
  syscall(SYS_exit, 0);
  return 0;
}

int main(void) {
  int ends[2];
  char before[PATH_MAX], after[PATH_MAX];
  OK(pipe(ends));
  getcwd(before, sizeof before);
  pid_t child = OK(clone(separate, stack[0] + 65536, SIGCHLD | CLONE_FILES, (void *)(long)ends[0]));
  CHECK(guest_wait(child) == 11 << 8);
  CHECK(shared_value == 0);
  FAILS(close(ends[0]), EBADF);  // CLONE_FILES: the child closed it for both
  child = OK(clone(with_memory, stack[1] + 65536, SIGCHLD | CLONE_VM | CLONE_FS, NULL));
  CHECK(guest_wait(child) == 12 << 8);
  CHECK(shared_value == 7);
  getcwd(after, sizeof after);
  CHECK(strcmp(after, "/") == 0);
  OK(chdir(before));

  int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_PARENT_SETTID |
              CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
  child_tid = -1;
  child = OK(clone(as_thread, stack[2] + 65536, flags, NULL, &parent_tid, NULL, &child_tid));
  int seen;
  while ((seen = __atomic_load_n(&child_tid, __ATOMIC_SEQ_CST)) != 0) syscall(SYS_futex, &child_tid, FUTEX_WAIT, seen, NULL, NULL, 0);
  CHECK(parent_tid == child && sees_tid == child && shared_value == 9);
  FAILS(waitpid(child, NULL, __WALL), ECHILD);

  struct clone_args arguments;
  memset(&arguments, 0, sizeof arguments);
  arguments.exit_signal = SIGCHLD;
  child = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
  if (child == 0) _exit(21);
  if (child > 0) CHECK(guest_wait(child) == 21 << 8);
  else CHECK(errno == ENOSYS);
  arguments.exit_signal = 0;  // no signal: only __WALL or __WCLONE finds it
  child = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
  if (child == 0) _exit(22);
  if (child > 0) {
    int status;
    FAILS(waitpid(child, &status, 0), ECHILD);
    CHECK(waitpid(child, &status, __WALL) == child && WEXITSTATUS(status) == 22);
  }
  FAILS(syscall(SYS_clone, CLONE_THREAD | SIGCHLD, 0, 0, 0, 0), EINVAL);
  FAILS(syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0), EINVAL);
  return guest_done("clone_raw");
}
