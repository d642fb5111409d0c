// Host files for the trace. See CLinuxFiles.h.
#define _GNU_SOURCE
#include "CLinuxFiles.h"

#include "CLinux.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <linux/prctl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

long rsb_tracefile_open(const char *path, int flags, unsigned mode) {
  int access = flags & RSB_TRACEFILE_READ_WRITE ? O_RDWR : flags & RSB_TRACEFILE_WRITE ? O_WRONLY : O_RDONLY;
  int fresh = flags & RSB_TRACEFILE_FRESH ? O_CREAT | O_TRUNC : 0;
  return rsb_syscall(SYS_openat, AT_FDCWD, (long)path, access | fresh | O_CLOEXEC | O_NOCTTY, mode, 0, 0);
}

long rsb_tracefile_create(const char *path, unsigned mode, int *replaced) {
  *replaced = -1;
  int old = (int)rsb_syscall(SYS_openat, AT_FDCWD, (long)path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, 0, 0);
  struct stat st;
  if (old >= 0) {
    int is_plain = fstat(old, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 && st.st_uid == geteuid();
    if (is_plain && rsb_syscall(SYS_faccessat, AT_FDCWD, (long)path, W_OK, 0, 0, 0) == 0 && rsb_tracefile_unlink(path) == 0) {
      long fd = rsb_syscall(SYS_openat, AT_FDCWD, (long)path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, mode, 0, 0);
      if (fd >= 0) {
        *replaced = old;
        return fd;
      }
    }
    rsb_tracefile_close(old);
  }
  return rsb_tracefile_open(path, RSB_TRACEFILE_WRITE | RSB_TRACEFILE_FRESH, mode);
}

long rsb_tracefile_close(int fd) { return rsb_syscall(SYS_close, fd, 0, 0, 0, 0, 0); }

long rsb_tracefile_read(int fd, void *buffer, size_t count, uint64_t offset) {
  long n;
  do n = rsb_syscall(SYS_pread64, fd, (long)buffer, (long)count, (long)offset, 0, 0);
  while (n == -EINTR);
  return n;
}

long rsb_tracefile_write_all(int fd, const void *buffer, size_t count, uint64_t offset) {
  const char *at = buffer;
  while (count > 0) {
    long n = rsb_syscall(SYS_pwrite64, fd, (long)at, (long)count, (long)offset, 0, 0);
    if (n == -ESPIPE) n = rsb_syscall(SYS_write, fd, (long)at, (long)count, 0, 0, 0);
    if (n == -EINTR) continue;
    if (n < 0) return n;
    if (n == 0) return -EIO;
    at += n;
    count -= (size_t)n;
    offset += (uint64_t)n;
  }
  return 0;
}

long rsb_tracefile_status(int fd, uint64_t *size) {
  struct stat st;
  if (fstat(fd, &st) != 0) return -errno;
  *size = (uint64_t)st.st_size;
  return S_ISREG(st.st_mode);
}

long rsb_tracefile_truncate(int fd, uint64_t size) { return rsb_syscall(SYS_ftruncate, fd, (long)size, 0, 0, 0, 0); }

long rsb_tracefile_change_mode(int fd, unsigned mode) { return rsb_syscall(SYS_fchmod, fd, mode, 0, 0, 0, 0); }

long rsb_tracefile_allocate(int fd, uint64_t size) {
  long result;
  do result = rsb_syscall(SYS_fallocate, fd, 0, 0, (long)size, 0, 0);
  while (result == -EINTR);
  if (result != -EOPNOTSUPP && result != -ENOSYS) return result;
  static const char zeros[65536];
  for (uint64_t offset = 0; offset < size; offset += sizeof zeros) {
    size_t count = size - offset < sizeof zeros ? (size_t)(size - offset) : sizeof zeros;
    result = rsb_tracefile_write_all(fd, zeros, count, offset);
    if (result < 0) return result;
  }
  return 0;
}

long rsb_tracefile_extend(int fd, uint64_t size, uint64_t more) {
  long result;
  do result = rsb_syscall(SYS_fallocate, fd, 0, (long)size, (long)more, 0, 0);
  while (result == -EINTR);
  // What there was room for is of no use.
  if (result < 0) rsb_syscall(SYS_ftruncate, fd, (long)size, 0, 0, 0, 0);
  return result;
}

long rsb_tracefile_rename(const char *from, const char *to) {
  long result = rsb_syscall(SYS_renameat2, AT_FDCWD, (long)from, AT_FDCWD, (long)to, 1 /* RENAME_NOREPLACE */, 0);
  if (result != -EINVAL && result != -ENOSYS) return result;
  long there = rsb_tracefile_exists(to);
  if (there != 0) return there < 0 ? there : -EEXIST;
  return rsb_syscall(SYS_rename, (long)from, (long)to, 0, 0, 0, 0);
}

long rsb_tracefile_unlink(const char *path) { return rsb_syscall(SYS_unlink, (long)path, 0, 0, 0, 0, 0); }

long rsb_tracefile_exists(const char *path) {
  struct stat st;
  if (lstat(path, &st) == 0) return 1;
  return errno == ENOENT ? 0 : -errno;
}

long rsb_tracefile_anonymous(const char *name) { return rsb_syscall(SYS_memfd_create, (long)name, MFD_CLOEXEC, 0, 0, 0, 0); }

void *rsb_tracefile_map(int fd, size_t size, long *error) {
  long at = rsb_syscall(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at < 0 && at > -4096) {
    *error = at;
    return NULL;
  }
  // Nothing is there to be read ahead: each fault would make pages that nobody asked for.
  rsb_syscall(SYS_madvise, at, (long)size, MADV_RANDOM, 0, 0, 0);
  *error = 0;
  return (void *)at;
}

void rsb_tracefile_unmap(void *address, size_t size) { rsb_syscall(SYS_munmap, (long)address, (long)size, 0, 0, 0, 0); }

void *rsb_memory_map(size_t size) {
  void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return at == MAP_FAILED ? NULL : at;
}

// By hand: a compiler makes a mere read of an addition of nothing.
void rsb_memory_touch(void *address) { __asm__ volatile("orb $0, %0" : "+m"(*(char *)address)); }

void rsb_memory_unmap(void *address, size_t size) { munmap(address, size); }

// sched_setattr(2), Linux 6.12: who asks for shorter turns gets them sooner.
void rsb_thread_hurry(int hurries) {
  struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
  } settings = {.size = sizeof settings};
  const uint32_t other = 0, batch = 3, idle = 5;
  if (rsb_syscall(SYS_sched_getattr, 0, (long)&settings, sizeof settings, 0, 0, 0) < 0) return;
  if (settings.policy != other && settings.policy != batch && settings.policy != idle) return;
  settings.runtime = hurries ? 100000 : 0;  // ns; 0 for the host's own.
  rsb_syscall(SYS_sched_setattr, 0, (long)&settings, 0, 0, 0, 0);
}

void rsb_thread_settle(void) {
  uint64_t all = ~0ull;
  rsb_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, 0, 8, 0, 0);
  rsb_syscall(SYS_prctl, PR_SET_TSC, PR_TSC_ENABLE, 0, 0, 0, 0);
}

void rsb_thread_place(pthread_attr_t *attributes, const void *mask, size_t mask_bytes) {
  pthread_attr_setaffinity_np(attributes, mask_bytes, mask);
}

void rsb_thread_move(pthread_t thread, const void *mask, size_t mask_bytes) {
  pthread_setaffinity_np(thread, mask_bytes, mask);
}
