// shows: syscalls with wild pointers give EFAULT or kill nothing but the guest; ends at page borders are exact.
// build: static -O1 -static
#include <sys/epoll.h>
#include "guest.h"

int main(void) {
  void *bad[] = {(void *)8, (void *)0x7ffffffff000, (void *)0xffff800000000000, (void *)-1};
  char *edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(edge + 4096, 4096);
  int ends[2], zero = OK(open("/dev/zero", O_RDONLY));
  OK(pipe(ends));
  for (int i = 0; i < 4; i++) {
    FAILS(syscall(SYS_write, ends[1], bad[i], 8), EFAULT);
    FAILS(syscall(SYS_read, zero, bad[i], 8), EFAULT);
    FAILS(syscall(SYS_open, bad[i], O_RDONLY), EFAULT);
    FAILS(syscall(SYS_stat, "/", bad[i]), EFAULT);
    FAILS(syscall(SYS_pipe, bad[i]), EFAULT);
    FAILS(syscall(SYS_clock_gettime, CLOCK_REALTIME, bad[i]), EFAULT);
    FAILS(syscall(SYS_rt_sigaction, SIGUSR1, bad[i], NULL, 8), EFAULT);
    FAILS(syscall(SYS_rt_sigprocmask, SIG_BLOCK, bad[i], NULL, 8), EFAULT);
    FAILS(syscall(SYS_execve, bad[i], NULL, NULL), EFAULT);
    FAILS(syscall(SYS_uname, bad[i]), EFAULT);
    FAILS(syscall(SYS_getcwd, bad[i], 4096), EFAULT);
    FAILS(syscall(SYS_nanosleep, bad[i], NULL), EFAULT);
    FAILS(syscall(SYS_writev, ends[1], bad[i], 1), EFAULT);
    FAILS(syscall(SYS_poll, bad[i], 1, 0), EFAULT);
  }
  memset(edge, 'e', 4096);
  CHECK(write(ends[1], edge + 4090, 6) == 6);
  CHECK(write(ends[1], edge + 4090, 7) == 6 || errno == EFAULT);
  strcpy(edge + 4096 - 6, "/proc");
  OK(access(edge + 4096 - 6, F_OK));
  memcpy(edge + 4096 - 5, "/proc", 5);
  FAILS(access(edge + 4096 - 5, F_OK), EFAULT);
  FAILS(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4), EINVAL);
  return guest_done("bad_pointers");
}
