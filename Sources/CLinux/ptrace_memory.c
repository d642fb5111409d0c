// Birth of the first stub, its memory, descriptors, and the calling thread.
#define _GNU_SOURCE
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "CLinux.h"
#include "CLinuxPtrace.h"

#define CALL(n, a, b, c, d, e, f) \
  rsb_syscall((n), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

int64_t rsb_clock_ns(int clock) {
  struct timespec time = {0, 0};
  CALL(SYS_clock_gettime, clock, &time, 0, 0, 0, 0);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

// MARK: Birth

struct birth {
  int image, socket;
  long error;
};

/// The vfork child: borrows the parent's memory, so it makes raw calls only and leaves its result in `birth`.
static int child_main(void *argument) {
  struct birth *birth = argument;
  char *nothing[] = {NULL};
  long result = CALL(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0);
  // Out of the way of 0 and 1 first; the table is this process's own.
  long image = CALL(SYS_fcntl, birth->image, F_DUPFD, 3, 0, 0, 0);
  long socket = CALL(SYS_fcntl, birth->socket, F_DUPFD, 3, 0, 0, 0);
  if (image < 0 || socket < 0) result = image < 0 ? image : socket;
  if (result >= 0) result = CALL(SYS_dup2, socket, 0, 0, 0, 0, 0);
  if (result >= 0) result = CALL(SYS_dup2, image, 1, 0, 0, 0, 0);
  if (result >= 0) result = CALL(SYS_close_range, 2, ~0u, 0, 0, 0, 0);
  if (result >= 0) result = CALL(SYS_execveat, 1, "", nothing, nothing, AT_EMPTY_PATH, 0);
  birth->error = result;
  CALL(SYS_exit, 127, 0, 0, 0, 0, 0);
  __builtin_unreachable();
}

long rsb_birth(int image, int socket) {
  struct birth birth = {image, socket, 0};
  const size_t stack_size = 65536;
  char *stack = mmap(NULL, stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (stack == MAP_FAILED) return -errno;
  // The child shares this memory: no handler may run in it. The mask also survives the exec.
  uint64_t all = ~0ull, old = 0;
  CALL(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, 8, 0, 0);
  long pid = clone(child_main, stack + stack_size, CLONE_VM | CLONE_VFORK | SIGCHLD, &birth);
  if (pid < 0) pid = -errno;
  CALL(SYS_rt_sigprocmask, SIG_SETMASK, &old, 0, 8, 0, 0);
  munmap(stack, stack_size);
  if (pid > 0 && birth.error) {
    int status;
    rsb_wait_stop((int)pid, &status);
    return birth.error;
  }
  return pid;
}

// MARK: Memory and descriptors

long rsb_process_read(int pid, void *local, uint64_t remote, size_t count) {
  struct iovec here = {local, count}, there = {(void *)remote, count};
  return CALL(SYS_process_vm_readv, pid, &here, 1, &there, 1, 0);
}

long rsb_process_write(int pid, const void *local, uint64_t remote, size_t count) {
  struct iovec here = {(void *)local, count}, there = {(void *)remote, count};
  return CALL(SYS_process_vm_writev, pid, &here, 1, &there, 1, 0);
}

long rsb_memfd_make(const char *name) {
  const long executable = 0x10;  // MFD_EXEC, Linux 6.3
  long result = CALL(SYS_memfd_create, name, MFD_CLOEXEC | executable, 0, 0, 0, 0);
  return result == -EINVAL ? CALL(SYS_memfd_create, name, MFD_CLOEXEC, 0, 0, 0, 0) : result;
}

long rsb_memfd_resize(int descriptor, uint64_t size) { return CALL(SYS_ftruncate, descriptor, size, 0, 0, 0, 0); }

long rsb_memfd_pread(int descriptor, void *bytes, size_t count, uint64_t offset) {
  long result;
  do result = CALL(SYS_pread64, descriptor, bytes, count, offset, 0, 0);
  while (result == -EINTR);
  return result;
}

long rsb_memfd_pwrite(int descriptor, const void *bytes, size_t count, uint64_t offset) {
  size_t done = 0;
  while (done < count) {
    long result = CALL(SYS_pwrite64, descriptor, (const char *)bytes + done, count - done, offset + done, 0, 0);
    if (result == -EINTR) continue;
    if (result < 0) return result;
    done += (size_t)result;
  }
  return (long)done;
}

uint64_t *rsb_memfd_map_page(int descriptor, uint64_t offset) {
  void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, (off_t)offset);
  return page == MAP_FAILED ? NULL : page;
}

void *rsb_memfd_map(int descriptor, uint64_t offset, size_t size, int writable) {
  void *place = mmap(NULL, size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED | MAP_NORESERVE, descriptor,
                     (off_t)offset);
  return place == MAP_FAILED ? NULL : place;
}

int rsb_file_can_execute(int descriptor) {
  void *place = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, descriptor, 0);
  if (place == MAP_FAILED) return 0;
  munmap(place, 4096);
  return 1;
}

void rsb_memfd_unmap(void *place, size_t size) { munmap(place, size); }

long rsb_memfd_fill(int descriptor, int from, uint64_t size) {
  uint64_t done = 0;
  while (done < size) {
    long offset = (long)done;
    // Linux transfers at most 0x7ffff000 bytes at a time.
    long result = CALL(SYS_sendfile, descriptor, from, &offset, size - done, 0, 0);
    if (result == -EINTR) continue;
    if (result < 0) return result;
    if (result == 0) break;
    done += (uint64_t)result;
  }
  return (long)done;
}

long rsb_memory_populate(void *address, size_t size) {
  const long populate_write = 23;  // MADV_POPULATE_WRITE, Linux 5.14
  const size_t before = (uintptr_t)address & 4095;
  address = (char *)address - before;
  size += before;
  // In steps: whoever maps something meanwhile, on any thread, waits for the end of one.
  const size_t step = 32 << 10;
  for (size_t done = 0; done < size; done += step) {
    long result = CALL(SYS_madvise, (char *)address + done, size - done < step ? size - done : step, populate_write, 0, 0, 0);
    if (result < 0) return result;
  }
  return 0;
}

void rsb_memory_show(const void *address, size_t size) {
  const long populate_read = 22;  // MADV_POPULATE_READ, Linux 5.14
  CALL(SYS_madvise, address, size, populate_read, 0, 0, 0);
}

void rsb_memory_hide(const void *address, size_t size) {
  uintptr_t start = ((uintptr_t)address + 4095) & ~(uintptr_t)4095, end = ((uintptr_t)address + size) & ~(uintptr_t)4095;
  if (end > start) madvise((void *)start, end - start, MADV_DONTNEED);
}

long rsb_memfd_punch(int descriptor, uint64_t offset, uint64_t size) {
  return CALL(SYS_fallocate, descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, size, 0, 0);
}

long rsb_memfd_copy(int from, int to, uint64_t size) {
  char bytes[65536];
  uint64_t offset = 0;
  while (offset < size) {
    long start = CALL(SYS_lseek, from, offset, SEEK_DATA, 0, 0, 0);
    if (start == -ENXIO) return 0;
    if (start < 0) return start;
    long end = CALL(SYS_lseek, from, start, SEEK_HOLE, 0, 0, 0);
    if (end < 0) return end;
    for (offset = (uint64_t)start; offset < (uint64_t)end && offset < size;) {
      uint64_t left = (uint64_t)end - offset;
      long count = rsb_memfd_pread(from, bytes, left < sizeof bytes ? left : sizeof bytes, offset);
      if (count == 0) return 0;
      if (count < 0) return count;
      long written = rsb_memfd_pwrite(to, bytes, (size_t)count, offset);
      if (written < 0) return written;
      offset += (uint64_t)count;
    }
  }
  return 0;
}

void rsb_memfd_unmap_page(uint64_t *page) { munmap(page, 4096); }

long rsb_descriptor_close(int descriptor) { return CALL(SYS_close, descriptor, 0, 0, 0, 0, 0); }

long rsb_proc_open(const char *path) {
  return CALL(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
}

long rsb_socket_pair(int32_t pair[2]) {
  return CALL(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair, 0, 0);
}

long rsb_send_descriptors(int socket, const int32_t *descriptors, size_t count) {
  enum { MOST = 64 };
  if (count > MOST) return -EINVAL;
  char byte = 0;
  struct iovec vector = {&byte, 1};
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(MOST * sizeof(int32_t))];
  } control;
  memset(&control, 0, sizeof control);
  control.header.cmsg_level = SOL_SOCKET;
  control.header.cmsg_type = SCM_RIGHTS;
  control.header.cmsg_len = CMSG_LEN(count * sizeof(int32_t));
  memcpy(CMSG_DATA(&control.header), descriptors, count * sizeof(int32_t));
  struct msghdr message = {
      .msg_iov = &vector,
      .msg_iovlen = 1,
      .msg_control = &control,
      .msg_controllen = CMSG_SPACE(count * sizeof(int32_t)),
  };
  long result;
  do result = CALL(SYS_sendmsg, socket, &message, MSG_NOSIGNAL, 0, 0, 0);
  while (result == -EINTR);
  return result;
}

// include/uapi/linux/fs.h of Linux 6.7; spelled out because older headers lack it.
struct pagemap_scan_argument {
  uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
  uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

long rsb_pagemap_scan(int pagemap, uint64_t start, uint64_t end, struct rsb_page_run *runs, size_t capacity,
                      uint64_t *next) {
  enum { IS_FILE = 1 << 2, IS_PRESENT = 1 << 3, IS_SWAPPED = 1 << 4 };
  struct pagemap_scan_argument argument = {
      .size = sizeof argument,
      .start = start,
      .end = end,
      .vec = (uint64_t)runs,
      .vec_len = capacity,
      .category_inverted = IS_FILE,
      .category_mask = IS_FILE,
      .category_anyof_mask = IS_PRESENT | IS_SWAPPED,
  };
  long result = CALL(SYS_ioctl, pagemap, _IOWR('f', 16, struct pagemap_scan_argument), &argument, 0, 0, 0);
  if (result >= 0) *next = argument.walk_end;
  return result;
}

// MARK: The calling thread and the machine

long rsb_cpu_current(void) {
  uint32_t cpu = 0;
  long result = CALL(SYS_getcpu, &cpu, 0, 0, 0, 0, 0);
  return result < 0 ? result : (long)cpu;
}

long rsb_affinity_get(uint64_t *mask, size_t bytes) { return CALL(SYS_sched_getaffinity, 0, bytes, mask, 0, 0, 0); }

long rsb_affinity_set(const uint64_t *mask, size_t bytes) { return rsb_affinity_set_of(0, mask, bytes); }

long rsb_affinity_set_of(int pid, const uint64_t *mask, size_t bytes) {
  return CALL(SYS_sched_setaffinity, pid, bytes, mask, 0, 0, 0);
}

long rsb_tsc_get(void) {
  int mode = 0;
  long result = CALL(SYS_prctl, PR_GET_TSC, &mode, 0, 0, 0, 0);
  return result < 0 ? result : mode;
}

/// From glibc 2.35 on (sys/rseq.h): where a thread's area is, from its thread pointer.
extern const ptrdiff_t __rseq_offset __attribute__((weak));

long rsb_rseq_set(int on) {
  if (!&__rseq_offset) return -ENOSYS;
  // 32 bytes is what glibc registers; where that is more one day, the kernel refuses and nothing changes.
  const unsigned signature = 0x53053053, unregister = 1;
  return CALL(SYS_rseq, (char *)__builtin_thread_pointer() + __rseq_offset, 32, on ? 0 : unregister, signature, 0, 0);
}

long rsb_tsc_set(int mode) { return CALL(SYS_prctl, PR_SET_TSC, mode, 0, 0, 0, 0); }

long rsb_descriptor_limit_raise(void) {
  struct rlimit limit;
  long result = CALL(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &limit, 0, 0);
  if (result < 0 || limit.rlim_cur == limit.rlim_max) return result;
  limit.rlim_cur = limit.rlim_max;
  return CALL(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit, 0, 0, 0);
}

void rsb_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4]) {
  __cpuid_count(leaf, subleaf, out[0], out[1], out[2], out[3]);
}

uint64_t rsb_xgetbv(uint32_t index) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(index));
  return (uint64_t)high << 32 | low;
}
