#define _GNU_SOURCE
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "CLinux.h"

#define CALL(number, a, b, c, d) rsb_syscall((number), (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

// MARK: Files

static void convert(const struct stat *from, struct rsb_host_status *to) {
  to->mode = from->st_mode;
  to->user = from->st_uid;
  to->group = from->st_gid;
  to->links = from->st_nlink;
  to->device = from->st_dev;
  to->inode = from->st_ino;
  to->special = from->st_rdev;
  to->size = from->st_size;
  to->modified_ns = from->st_mtim.tv_sec * 1000000000L + from->st_mtim.tv_nsec;
  to->changed_ns = from->st_ctim.tv_sec * 1000000000L + from->st_ctim.tv_nsec;
}

long rsb_host_status_get(int directory, const char *path, struct rsb_host_status *status) {
  struct stat host;
  long result = path ? CALL(SYS_newfstatat, directory, path, &host, AT_SYMLINK_NOFOLLOW)
                     : CALL(SYS_fstat, directory, &host, 0, 0);
  if (result == 0) convert(&host, status);
  return result;
}

long rsb_host_status_follow(const char *path, struct rsb_host_status *status) {
  struct stat host;
  long result = CALL(SYS_newfstatat, AT_FDCWD, path, &host, 0);
  if (result == 0) convert(&host, status);
  return result;
}

long rsb_host_open(const char *path, int flags, uint32_t mode) {
  return CALL(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode);
}
long rsb_host_close(int descriptor) { return CALL(SYS_close, descriptor, 0, 0, 0); }
long rsb_host_readlink(const char *path, void *bytes, size_t capacity) {
  return CALL(SYS_readlinkat, AT_FDCWD, path, bytes, capacity);
}
long rsb_host_entries(int descriptor, void *bytes, size_t capacity) {
  return CALL(SYS_getdents64, descriptor, bytes, capacity, 0);
}
long rsb_host_pread(int descriptor, void *bytes, size_t count, int64_t offset) {
  long result;
  do result = CALL(SYS_pread64, descriptor, bytes, count, offset);
  while (result == -EINTR);
  return result;
}
long rsb_host_pwrite(int descriptor, const void *bytes, size_t count, int64_t offset) {
  size_t done = 0;
  while (done < count) {
    long result = CALL(SYS_pwrite64, descriptor, (const char *)bytes + done, count - done, offset + (int64_t)done);
    if (result == -EINTR) continue;
    if (result < 0) return result;
    if (result == 0) return -EIO;
    done += (size_t)result;
  }
  return (long)done;
}
long rsb_host_map(int descriptor, size_t size) {
  return rsb_syscall(SYS_mmap, 0, (long)size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, descriptor, 0);
}
long rsb_host_unmap(const void *address, size_t size) { return CALL(SYS_munmap, address, size, 0, 0); }
long rsb_host_file_resize(int descriptor, uint64_t size) { return CALL(SYS_ftruncate, descriptor, size, 0, 0); }
long rsb_host_access(const char *path, int mode) {
  long result = CALL(439 /* faccessat2 */, AT_FDCWD, path, mode, AT_EACCESS);
  if (result == -ENOSYS || result == -EPERM) result = CALL(SYS_faccessat, AT_FDCWD, path, mode, 0);
  return result;
}
long rsb_host_unlink(const char *path) { return CALL(SYS_unlinkat, AT_FDCWD, path, 0, 0); }
long rsb_host_rename(const char *from, const char *to) {
  return CALL(SYS_rename, from, to, 0, 0);
}
long rsb_host_mkdir(const char *path, uint32_t mode) { return CALL(SYS_mkdirat, AT_FDCWD, path, mode, 0); }
long rsb_host_symlink(const char *target, const char *path) { return CALL(SYS_symlinkat, target, AT_FDCWD, path, 0); }
long rsb_host_chmod(const char *path, uint32_t mode) { return CALL(SYS_fchmodat, AT_FDCWD, path, mode, 0); }
long rsb_host_chdir(const char *path) { return CALL(SYS_chdir, path, 0, 0, 0); }
long rsb_host_getcwd(char *bytes, size_t capacity) { return CALL(SYS_getcwd, bytes, capacity, 0, 0); }
long rsb_host_dup2(int from, int to) { return CALL(SYS_dup2, from, to, 0, 0); }
long rsb_host_umask_get(void) {
  long old = CALL(SYS_umask, 022, 0, 0, 0);
  CALL(SYS_umask, old, 0, 0, 0);
  return old;
}
long rsb_host_getrandom(void *bytes, size_t count) { return CALL(SYS_getrandom, bytes, count, 0, 0); }
long rsb_host_process(void) { return CALL(SYS_getpid, 0, 0, 0, 0); }
long rsb_host_user(void) { return CALL(SYS_geteuid, 0, 0, 0, 0); }
long rsb_host_group(void) { return CALL(SYS_getegid, 0, 0, 0, 0); }
long rsb_host_groups(uint32_t *groups, int capacity) { return CALL(SYS_getgroups, capacity, groups, 0, 0); }

// MARK: Streams

long rsb_host_read(int descriptor, void *bytes, size_t count) { return CALL(SYS_read, descriptor, bytes, count, 0); }
long rsb_host_write(int descriptor, const void *bytes, size_t count) {
  return CALL(SYS_write, descriptor, bytes, count, 0);
}

long rsb_host_poll(int descriptor, int writing, int milliseconds) {
  struct pollfd entry = {.fd = descriptor, .events = writing ? POLLOUT : POLLIN};
  long result;
  // A look that waits for nothing fails with EINTR too, when a signal comes while it is made.
  do result = CALL(SYS_poll, &entry, 1, milliseconds, 0);
  while (result == -EINTR && milliseconds == 0);
  return result;
}

long rsb_host_is_terminal(int descriptor) {
  struct termios attributes;
  return CALL(SYS_ioctl, descriptor, TCGETS, &attributes, 0) == 0;
}

long rsb_host_window_size(int descriptor, uint16_t *rows, uint16_t *columns) {
  struct winsize size;
  long result = CALL(SYS_ioctl, descriptor, TIOCGWINSZ, &size, 0);
  if (result == 0) {
    *rows = size.ws_row;
    *columns = size.ws_col;
  }
  return result;
}

_Static_assert(sizeof(struct termios) == 36, "termios of the kernel ABI");
long rsb_host_terminal_get(int descriptor, void *bytes) { return CALL(SYS_ioctl, descriptor, TCGETS, bytes, 0); }
long rsb_host_terminal_set(int descriptor, int when, const void *bytes) {
  return CALL(SYS_ioctl, descriptor, TCSETS + when, bytes, 0);
}

long rsb_host_is_null(int descriptor) {
  struct stat host;
  if (CALL(SYS_fstat, descriptor, &host, 0, 0) < 0) return 0;
  return S_ISCHR(host.st_mode) && host.st_rdev == makedev(1, 3);
}

// MARK: Signals for the guest

static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH};
enum { caught_count = sizeof caught / sizeof caught[0] };
static struct sigaction found[caught_count], found_pipe;
static _Atomic unsigned waiting[caught_count];
static _Atomic unsigned endings;
static _Atomic int caught_now;

// Async-signal-safe: atomics and one call that is.
static void on_signal(int signal) {
  for (int i = 0; i < caught_count; i++)
    if (caught[i] == signal) atomic_fetch_add(&waiting[i], 1);
  if (signal == SIGWINCH) return;
  unsigned count = atomic_fetch_add(&endings, 1) + 1;
  if ((signal == SIGINT && count >= 2) || count >= 3) rsb_interrupt_request();
}

void rsb_host_signals_catch(void) {
  if (atomic_exchange(&caught_now, 1)) return;
  atomic_store(&endings, 0);
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  sigfillset(&action.sa_mask);
  for (int i = 0; i < caught_count; i++) {
    atomic_store(&waiting[i], 0);
    sigaction(caught[i], NULL, &found[i]);
    // nohup and shells without job control mean it when they ignore a signal.
    if (found[i].sa_handler != SIG_IGN) sigaction(caught[i], &action, NULL);
  }
  struct sigaction ignore;
  memset(&ignore, 0, sizeof ignore);
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, &found_pipe);
}

void rsb_host_signals_restore(void) {
  if (!atomic_exchange(&caught_now, 0)) return;
  for (int i = 0; i < caught_count; i++) sigaction(caught[i], &found[i], NULL);
  sigaction(SIGPIPE, &found_pipe, NULL);
}

int rsb_host_signal_take(void) {
  for (int i = 0; i < caught_count; i++) {
    unsigned count = atomic_load_explicit(&waiting[i], memory_order_relaxed);
    if (count == 0) continue;
    atomic_fetch_sub(&waiting[i], 1);
    return caught[i];
  }
  return 0;
}

int rsb_host_signal_waits(void) {
  for (int i = 0; i < caught_count; i++)
    if (atomic_load_explicit(&waiting[i], memory_order_relaxed)) return 1;
  return 0;
}

long rsb_host_poll_or_signal(int descriptor) {
  // Signals stay blocked from the look at the flags until ppoll(2) lets them in.
  unsigned long all = ~0UL, old = 0;
  struct pollfd entry = {.fd = descriptor, .events = POLLIN};
  CALL(SYS_rt_sigprocmask, SIG_BLOCK, &all, &old, sizeof all);
  long result = -EINTR;
  if (!rsb_host_signal_waits() && !rsb_interrupt_requested())
    result = rsb_syscall(SYS_ppoll, (long)&entry, 1, 0, (long)&old, sizeof old, 0);
  CALL(SYS_rt_sigprocmask, SIG_SETMASK, &old, 0, sizeof old);
  return result;
}

void rsb_host_die_by(int signal) {
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = SIG_DFL;
  sigaction(signal, &action, NULL);
  unsigned long set = 1UL << (signal - 1);
  CALL(SYS_rt_sigprocmask, SIG_UNBLOCK, &set, 0, sizeof set);
  CALL(SYS_tgkill, CALL(SYS_getpid, 0, 0, 0, 0), CALL(SYS_gettid, 0, 0, 0, 0), signal, 0);
}
