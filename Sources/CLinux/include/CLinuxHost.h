// Host calls behind the guest's lower file layer, its standard streams and the signals passed to it.
// Values >= 0, or -errno. All by the syscall instruction: no vdso, so safe in a thread whose TSC is trapped.
#ifndef REPLAYSB_CLINUX_HOST_H
#define REPLAYSB_CLINUX_HOST_H
#include <stddef.h>
#include <stdint.h>

// MARK: Files

struct rsb_host_status {
  uint32_t mode, user, group;
  uint64_t links, device, inode, special;
  int64_t size, modified_ns, changed_ns;
};
/// newfstatat(2) without following the last component; `path` NULL for the descriptor itself.
long rsb_host_status_get(int directory, const char *path, struct rsb_host_status *status);
/// The same, following symbolic links.
long rsb_host_status_follow(const char *path, struct rsb_host_status *status);
long rsb_host_open(const char *path, int flags, uint32_t mode);
long rsb_host_close(int descriptor);
long rsb_host_readlink(const char *path, void *bytes, size_t capacity);
/// getdents64(2): raw records.
long rsb_host_entries(int descriptor, void *bytes, size_t capacity);
/// pread64(2), again on EINTR.
long rsb_host_pread(int descriptor, void *bytes, size_t count, int64_t offset);
/// pwrite64(2), all of it or -errno.
long rsb_host_pwrite(int descriptor, const void *bytes, size_t count, int64_t offset);
long rsb_host_file_resize(int descriptor, uint64_t size);
/// mmap(2) private, read-only and populated, of [0, size): the address or -errno.
long rsb_host_map(int descriptor, size_t size);
/// munmap(2).
long rsb_host_unmap(const void *address, size_t size);
/// faccessat2(2) with the effective ids; falls back to faccessat(2).
long rsb_host_access(const char *path, int mode);
long rsb_host_unlink(const char *path);
long rsb_host_rename(const char *from, const char *to);
long rsb_host_mkdir(const char *path, uint32_t mode);
long rsb_host_symlink(const char *target, const char *path);
long rsb_host_chmod(const char *path, uint32_t mode);
long rsb_host_chdir(const char *path);
long rsb_host_getcwd(char *bytes, size_t capacity);
long rsb_host_dup2(int from, int to);
long rsb_host_umask_get(void);
long rsb_host_getrandom(void *bytes, size_t count);
/// getpid(2), for names of temporary files.
long rsb_host_process(void);
long rsb_host_user(void);
long rsb_host_group(void);
/// getgroups(2).
long rsb_host_groups(uint32_t *groups, int capacity);

// MARK: Streams

long rsb_host_read(int descriptor, void *bytes, size_t count);
long rsb_host_write(int descriptor, const void *bytes, size_t count);
/// poll(2) on one descriptor for reading (or writing); -1 ms waits for ever. 1 ready, 0 not, -EINTR (never for
/// 0 ms: such a look is made again).
long rsb_host_poll(int descriptor, int writing, int milliseconds);
long rsb_host_is_terminal(int descriptor);
/// TIOCGWINSZ.
long rsb_host_window_size(int descriptor, uint16_t *rows, uint16_t *columns);
/// TCGETS and TCSETS, TCSETSW, TCSETSF (`when` 0, 1, 2): struct termios of the kernel ABI, 36 bytes.
long rsb_host_terminal_get(int descriptor, void *bytes);
long rsb_host_terminal_set(int descriptor, int when, const void *bytes);
/// Whether the descriptor is open on /dev/null.
long rsb_host_is_null(int descriptor);

// MARK: Signals for the guest

/// Catches SIGINT, SIGTERM, SIGHUP, SIGQUIT and SIGWINCH (unless they are ignored) and ignores SIGPIPE. A second SIGINT
/// (or the third of any of the others) asks every running stub to stop (rsb_interrupt_request).
void rsb_host_signals_catch(void);
/// Gives them back as they were found.
void rsb_host_signals_restore(void);
/// The next caught signal, or 0. Removes it.
int rsb_host_signal_take(void);
/// Whether one is waiting.
int rsb_host_signal_waits(void);
/// Waits until it can be read. A signal that is caught, also just before, ends it with -EINTR.
long rsb_host_poll_or_signal(int descriptor);
/// Ends the calling process by this signal, without a core. Returns only when the signal does not end processes.
void rsb_host_die_by(int signal);

// MARK: Signals that end the tool

/// Catches SIGINT, SIGTERM and SIGHUP, unless they are ignored. The first is noted; one that comes more than 0.3 s later
/// ends the process as if it were not caught.
void rsb_endings_catch(void);
/// Gives them back as they were found.
void rsb_endings_release(void);
/// The first that came, or 0.
int rsb_endings_first(void);
/// Whether that signal, also one that came already, asks every running stub to stop (rsb_interrupt_request). 0 takes the request
/// back.
void rsb_endings_stop_machines(int stop);

#endif
