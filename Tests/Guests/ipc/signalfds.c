// shows: signalfd: queued signals as records, non-blocking, mask change, in poll, child exits.
// build: static -O1 -static
#include <sys/signalfd.h>
#include "guest.h"

int main(void) {
  sigset_t set;
  struct signalfd_siginfo info[4];
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGRTMIN + 1);
  sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, NULL);
  int fd = OK(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  FAILS(read(fd, info, sizeof info), EAGAIN);
  FAILS(read(fd, info, 10), EINVAL);
  OK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 8}));
  OK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 9}));
  OK(kill(getpid(), SIGUSR1));
  struct pollfd ready = {.fd = fd, .events = POLLIN};
  CHECK(poll(&ready, 1, 0) == 1 && ready.revents == POLLIN);
  CHECK(read(fd, info, sizeof info) == 3 * (ssize_t)sizeof info[0]);
  CHECK(info[0].ssi_signo == SIGUSR1 && info[0].ssi_pid == (uint32_t)getpid() && info[0].ssi_code == SI_USER);
  CHECK(info[1].ssi_signo == (uint32_t)SIGRTMIN + 1 && info[1].ssi_int == 8 && info[2].ssi_int == 9);

  pid_t child = OK(fork());
  if (child == 0) _exit(12);
  CHECK(poll(&ready, 1, 5000) == 1);
  CHECK(read(fd, info, sizeof info) == (ssize_t)sizeof info[0]);
  CHECK(info[0].ssi_signo == SIGCHLD && info[0].ssi_pid == (uint32_t)child && info[0].ssi_status == 12);
  CHECK(guest_wait(child) == 12 << 8);
  sigdelset(&set, SIGUSR1);
  CHECK(signalfd(fd, &set, 0) == fd);
  OK(kill(getpid(), SIGUSR1));
  CHECK(poll(&ready, 1, 0) == 0);

  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, SIGRTMIN + 1);
  int blocking = OK(signalfd(-1, &one, 0));
  child = OK(fork());
  if (child == 0) {
    guest_sleep_ms(20);
    sigqueue(getppid(), SIGRTMIN + 1, (union sigval){.sival_int = 55});
    _exit(0);
  }
  CHECK(read(blocking, info, sizeof info) == (ssize_t)sizeof info[0] && info[0].ssi_int == 55);
  CHECK(guest_wait(child) == 0);
  return guest_done("signalfds");
}
