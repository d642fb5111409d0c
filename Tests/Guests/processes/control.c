// shows: prctl, personality, unshare, membarrier, robust lists, process groups: what is kept, inherited and refused.
// build: static -O1 -pthread -static
#include <linux/membarrier.h>
#include <linux/futex.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include "guest.h"

static void *names(void *argument) {
  char name[16];
  OK(prctl(PR_GET_NAME, name));
  CHECK(strcmp(name, "exactly15bytes!") == 0);
  OK(prctl(PR_SET_NAME, "thread"));
  return argument;
}
static void *unshares(void *argument) {
  int fd = *(int *)argument;
  OK(unshare(CLONE_FILES | CLONE_FS));
  OK(close(fd));
  OK(chdir("/"));
  FAILS(unshare(CLONE_SIGHAND), EINVAL);
  return NULL;
}

int main(void) {
  char name[16], before[PATH_MAX], after[PATH_MAX];
  pthread_t thread;
  OK(prctl(PR_SET_NAME, "exactly15bytes!and more"));
  ZERO(pthread_create(&thread, NULL, names, NULL));
  ZERO(pthread_join(thread, NULL));
  OK(prctl(PR_GET_NAME, name));
  CHECK(strcmp(name, "exactly15bytes!") == 0);
  FAILS(prctl(PR_SET_NAME, 8), EFAULT);

  int value = -1;
  OK(prctl(PR_SET_PDEATHSIG, SIGUSR2));
  OK(prctl(PR_GET_PDEATHSIG, &value));
  CHECK(value == SIGUSR2);
  FAILS(prctl(PR_SET_PDEATHSIG, 65), EINVAL);
  pid_t child = OK(fork());
  if (child == 0) {
    prctl(PR_GET_PDEATHSIG, &value);
    _exit(value);
  }
  CHECK(guest_wait(child) == 0);
  CHECK(prctl(PR_GET_DUMPABLE) == 1);
  FAILS(prctl(PR_SET_DUMPABLE, 2), EINVAL);
  OK(prctl(PR_SET_TIMERSLACK, 12345UL));
  CHECK(prctl(PR_GET_TIMERSLACK) == 12345);
  FAILS(prctl(123456), EINVAL);
  CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) >= 0);
  FAILS(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
  OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  CHECK(prctl(PR_CAPBSET_READ, 0) >= 0);
  FAILS(prctl(PR_CAPBSET_READ, 1000), EINVAL);
  OK(prctl(PR_GET_TSC, &value));
  CHECK(value == PR_TSC_ENABLE);

  CHECK(personality(0xffffffff) == 0);
  CHECK(personality(ADDR_NO_RANDOMIZE) == 0);
  CHECK(personality(0xffffffff) == ADDR_NO_RANDOMIZE);

  int fd = OK(open("/dev/null", O_RDONLY));
  getcwd(before, sizeof before);
  ZERO(pthread_create(&thread, NULL, unshares, &fd));
  ZERO(pthread_join(thread, NULL));
  CHECK(fcntl(fd, F_GETFD) == 0);
  getcwd(after, sizeof after);
  CHECK(strcmp(before, after) == 0);
  FAILS(unshare(1), EINVAL);

  long commands = OK(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0));
  CHECK(commands & MEMBARRIER_CMD_PRIVATE_EXPEDITED);
  FAILS(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0), EPERM);
  OK(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
  OK(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
  FAILS(syscall(SYS_membarrier, 1 << 20, 0, 0), EINVAL);

  struct robust_list_head *head = NULL;
  size_t length = 0;
  OK(syscall(SYS_get_robust_list, 0, &head, &length));
  CHECK(head != NULL && length == sizeof *head);
  FAILS(syscall(SYS_set_robust_list, head, 23), EINVAL);
  FAILS(syscall(SYS_get_robust_list, 999999, &head, &length), ESRCH);

  FAILS(getpgid(999999), ESRCH);
  FAILS(getsid(999999), ESRCH);
  FAILS(setpgid(999999, 0), ESRCH);
  FAILS(setpgid(0, -1), EINVAL);
  child = OK(fork());
  if (child == 0) {
    CHECK(setsid() == getpid());
    FAILS(setsid(), EPERM);
    FAILS(setpgid(0, 0), EPERM);
    CHECK(getsid(0) == getpid() && getpgrp() == getpid());
    _exit(guest_failures);
  }
  CHECK(guest_wait(child) == 0);
  return guest_done("control");
}
