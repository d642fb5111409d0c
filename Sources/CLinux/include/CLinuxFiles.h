// Host files for the trace: opening, positioned reading and writing, a shared mapping, and the set-up of its thread.
// Every function returns a value >= 0 or -errno.
#ifndef REPLAYSB_CLINUX_FILES_H
#define REPLAYSB_CLINUX_FILES_H
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

/// open(2), always with O_CLOEXEC. `flags` are the RSB_TRACEFILE_ bits.
enum {
  RSB_TRACEFILE_READ = 0,
  RSB_TRACEFILE_WRITE = 1,
  RSB_TRACEFILE_READ_WRITE = 2,
  /// Created when missing, emptied when not.
  RSB_TRACEFILE_FRESH = 4,
};
long rsb_tracefile_open(const char *path, int flags, unsigned mode);
/// An empty file to write, as with RSB_TRACEFILE_WRITE | RSB_TRACEFILE_FRESH. A plain file of our own that is there makes way and is stored in
/// `*replaced` as a descriptor, else -1: emptied in place, it takes its time here and, on ext4, has the new one flushed when that is closed. Whoever closes
/// it waits for its blocks to be freed.
long rsb_tracefile_create(const char *path, unsigned mode, int *replaced);
/// close(2).
long rsb_tracefile_close(int fd);
/// pread(2), repeated after EINTR.
long rsb_tracefile_read(int fd, void *buffer, size_t count, uint64_t offset);
/// Writes everything at the offset (pwrite(2), or write(2) where the file cannot seek). 0 or -errno.
long rsb_tracefile_write_all(int fd, const void *buffer, size_t count, uint64_t offset);
/// fstat(2): 1 for a regular file, whose size is stored, else 0.
long rsb_tracefile_status(int fd, uint64_t *size);
/// ftruncate(2).
long rsb_tracefile_truncate(int fd, uint64_t size);
/// fchmod(2).
long rsb_tracefile_change_mode(int fd, unsigned mode);
/// Makes every byte of [0, size) real: fallocate(2), or zeros written where the file system has none.
long rsb_tracefile_allocate(int fd, uint64_t size);
/// fallocate(2): makes `more` bytes behind the first `size` real, or leaves the file at that size.
long rsb_tracefile_extend(int fd, uint64_t size, uint64_t more);
/// rename(2) that never replaces a file (RENAME_NOREPLACE, or a check first where that is missing).
long rsb_tracefile_rename(const char *from, const char *to);
/// unlink(2).
long rsb_tracefile_unlink(const char *path);
/// 1 when something is at the path (lstat), 0 when nothing is, else -errno.
long rsb_tracefile_exists(const char *path);
/// memfd_create(2), closed on exec.
long rsb_tracefile_anonymous(const char *name);
/// mmap(2) shared, readable and writable, of [0, size). NULL on failure, with -errno in *error.
void *rsb_tracefile_map(int fd, size_t size, long *error);
/// munmap(2).
void rsb_tracefile_unmap(void *address, size_t size);

/// mmap(2) of zeros of our own; NULL when there is no room.
void *rsb_memory_map(size_t size);
/// munmap(2).
void rsb_memory_unmap(void *address, size_t size);
/// Has the host make the page there as if a byte had been written.
void rsb_memory_touch(void *address);

/// For a thread that only works for the sandbox: blocks every signal, and lets it read the TSC whatever its parent could.
void rsb_thread_settle(void);
/// The threads made with these attributes begin on the CPUs of `mask` (as sched_setaffinity(2) takes it), or with nothing of it on
/// their parent's.
void rsb_thread_place(pthread_attr_t *attributes, const void *mask, size_t mask_bytes);
/// The thread runs on the CPUs of `mask` from now on.
void rsb_thread_move(pthread_t thread, const void *mask, size_t mask_bytes);

/// The calling thread, and processes that it starts, go on as soon as they can, in short turns; or as any other with 0. Nothing
/// where the host cannot.
void rsb_thread_hurry(int hurries);

/// A store after which the bytes stored before are visible to whoever reads the mapping.
static inline void rsb_store_release(uint64_t *at, uint64_t value) { __atomic_store_n(at, value, __ATOMIC_RELEASE); }

/// A load that sees everything stored before the value it returns was.
static inline uint64_t rsb_load_acquire(const uint64_t *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }

#endif
