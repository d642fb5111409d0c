// shows: process groups and sessions: setpgid, setsid, getsid, EPERM rules, kill to a group.
// build: static -O1 -static
#include "guest.h"

static int ready[2];
static void child_body(void) {
  signal(SIGUSR1, SIG_DFL);
  write(ready[1], "x", 1);
  for (;;) pause();
}

int main(void) {
  char byte;
  OK(pipe(ready));
  pid_t leader = OK(fork());
  if (leader == 0) {
    OK(setsid());
    CHECK(getsid(0) == getpid() && getpgrp() == getpid());
    FAILS(setsid(), EPERM);
    FAILS(setpgid(0, 0), EPERM);  // a session leader may not move
    pid_t first = OK(fork());
    if (first == 0) child_body();
    pid_t second = OK(fork());
    if (second == 0) child_body();
    OK(setpgid(first, first));
    OK(setpgid(second, first));
    CHECK(getpgid(first) == first && getpgid(second) == first && getsid(second) == getpid());
    FAILS(setpgid(first, 999999), EPERM);
    for (int i = 0; i < 2; i++) OK(read(ready[0], &byte, 1));
    OK(kill(-first, 0));
    OK(killpg(first, SIGUSR1));
    for (int i = 0; i < 2; i++) {
      int status;
      CHECK(waitpid(-first, &status, 0) > 0);
      CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
    }
    FAILS(kill(-first, SIGUSR1), ESRCH);
    pid_t execed = OK(fork());
    if (execed == 0) {
      execl("/bin/sleep", "sleep", "1000", (char *)NULL);
      _exit(1);
    }
    guest_sleep_ms(50);
    FAILS(setpgid(execed, execed), EACCES);
    OK(kill(execed, SIGKILL));
    guest_wait(execed);
    _exit(guest_failures);
  }
  CHECK(guest_wait(leader) == 0);
  pid_t other = OK(fork());
  if (other == 0) {
    OK(setsid());
    write(ready[1], "x", 1);
    for (;;) pause();
  }
  OK(read(ready[0], &byte, 1));
  FAILS(setpgid(other, getpgrp()), EPERM);  // another session
  OK(kill(other, SIGKILL));
  guest_wait(other);
  FAILS(getpgid(999999), ESRCH);
  FAILS(getsid(999999), ESRCH);
  FAILS(kill(999999, 0), ESRCH);
  return guest_done("groups");
}
