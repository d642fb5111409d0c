// shows: host pids cannot be seen, signalled, traced, read or opened; /proc shows the sandbox alone; pid 1 is its init.
// build: static -O1 -static
// native: skip
#include <dirent.h>
#include <sys/ptrace.h>
#include "guest.h"

int main(void) {
  CHECK(getpid() == 2 && getppid() == 1);
  for (pid_t pid = 3; pid < 40000; pid += pid < 600 ? 1 : 37) FAILS(kill(pid, 0), ESRCH);
  DIR *folder = opendir("/proc");
  struct dirent *entry;
  while (folder && (entry = readdir(folder)))
    if (atoi(entry->d_name) > 2) guest_fail(__FILE__, __LINE__, entry->d_name);
  if (folder) closedir(folder);
  char byte[8];
  struct iovec mine = {byte, 8}, theirs = {(void *)0x400000, 8};
  for (pid_t pid = 1; pid < 300; pid++) {
    if (pid == getpid()) continue;
    CHECK(ptrace(PTRACE_ATTACH, pid, 0, 0) == -1);
    CHECK(syscall(SYS_process_vm_readv, pid, &mine, 1L, &theirs, 1L, 0L) == -1);
    if (pid > 2) CHECK(syscall(SYS_pidfd_open, pid, 0) == -1);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", pid);
    int fd = open(path, O_RDWR);
    CHECK(fd == -1 || pread(fd, byte, 8, 0x400000) <= 0);
    snprintf(path, sizeof path, "/proc/%d/root/etc/hostname", pid);
    CHECK(pid == 1 || open(path, O_RDONLY) == -1);
  }
  CHECK(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0 || errno == ENOSYS || errno == EPERM);
  OK(kill(1, 0) == 0 || errno == EPERM ? 0 : -1);
  kill(1, SIGKILL);
  CHECK(kill(1, 0) == 0 || errno == EPERM);
  CHECK(open("/proc/self/root/proc/1/mem", O_RDWR) == -1);
  return guest_done("host_processes");
}
