// Host calls of the ptrace platform. Values >= 0, or -errno.
#ifndef REPLAYSB_CLINUX_PTRACE_H
#define REPLAYSB_CLINUX_PTRACE_H
#include <stddef.h>
#include <stdint.h>

// MARK: Clocks (safe in a thread whose TSC is trapped: no vdso)

/// clock_gettime(2) by the syscall instruction; nanoseconds.
int64_t rsb_clock_ns(int clock);

// MARK: ptrace(2)

/// ptrace(2) with fixed arity, no errno.
long rsb_ptrace(long request, int pid, uint64_t address, uint64_t data);
long rsb_ptrace_seize(int pid);
long rsb_ptrace_interrupt(int pid);
long rsb_ptrace_continue(int pid);
long rsb_ptrace_get_registers(int pid, void *registers);
/// Stores the registers with orig_rax = -1, so that no pending host signal restarts a syscall.
long rsb_ptrace_set_registers(int pid, const void *registers);
/// The XSAVE area; returns its size.
long rsb_ptrace_get_xstate(int pid, void *bytes, size_t capacity);
long rsb_ptrace_set_xstate(int pid, const void *bytes, size_t count);

struct rsb_signal_info {
  int32_t signal;
  int32_t code;
  uint64_t address;
  /// SIGSYS only.
  uint64_t call_address;
  int32_t syscall;
};
long rsb_ptrace_get_signal(int pid, struct rsb_signal_info *info);
/// AUDIT_ARCH_* of the current syscall stop.
long rsb_ptrace_syscall_arch(int pid, uint32_t *arch);
#define RSB_ARCH_X86_64 0xc000003eu

/// wait4(2) for this pid with __WALL | __WNOTHREAD, again on EINTR.
long rsb_wait_stop(int pid, int *status);
/// SIGKILL.
void rsb_kill(int pid);
/// Waits for the end.
void rsb_reap(int pid);

/// Starts `image` (an executable memfd) by vfork and execveat(2). The child holds `socket` as descriptor 0, `image`
/// as 1 and nothing else, blocks all signals and dies with the calling thread.
long rsb_birth(int image, int socket);

// MARK: Resuming with a watchdog

/// What the watchdog's signal handler reads. One for each machine.
struct rsb_watch {
  /// The stub that runs now, or 0.
  volatile int32_t running;
  /// Half-second ticks since the timer started.
  volatile uint32_t ticks;
  volatile uint32_t start_tick;
  /// Ticks that a run may last; 0 for no bound.
  volatile uint32_t limit_ticks;
  int timer;
};
/// Starts the periodic timer for the calling thread.
long rsb_watch_start(struct rsb_watch *watch);
void rsb_watch_stop(struct rsb_watch *watch);
int rsb_watch_expired(const struct rsb_watch *watch);

/// Async-signal-safe: every stub that runs in this process stops soon, and none starts again until cleared.
void rsb_interrupt_request(void);
void rsb_interrupt_clear(void);
int rsb_interrupt_requested(void);

/// A detour through the blob that saves one XSAVE area of the stub and loads another.
struct rsb_detour {
  /// The blob's entry for it; 0 for no detour.
  uint64_t entry;
  uint64_t save, load;
  /// The components to save and load, as in XCR0.
  uint64_t components;
  /// The list page, where the registers that the blob uses find their true values.
  uint64_t *list;
};

/// Memory shared with stubs whose code makes its system calls in a gate (CStub, dispatch.S): the registers of the stub that
/// stopped there, and what it goes on with. One stub runs at a time.
struct rsb_gate {
  /// In the order of user_regs_struct. rip: the place behind the call, and where to go on. rcx: the guest's place behind its
  /// call. orig_rax: the number.
  uint64_t registers[27];
  /// Set by the gate before it stops: the same place, or 1 by a gate that leaves all but rip and rcx to ptrace.
  uint64_t entered;
  /// XSAVE areas and components on the way back; no `load`: the extended state stays.
  uint64_t save, load, components;
  /// Of a futex call: the address of its word, 0 when it could not be read, and what is there.
  uint64_t word_address;
  uint32_t word;
  /// Where the word is read, and where to go on when that faults. Set once, by us.
  uint64_t word_load, behind_word_load;
};

/// Whether a stub can read and set its fs base by itself (FSGSBASE, Linux 5.9), as the gate does.
int rsb_gate_is_usable(void);

#define RSB_RUN_INTERRUPTED (-100000)
/// One turn of a stub: registers set as far as `held` (what the stub holds, or NULL for unknown) differs,
/// PTRACE_SYSEMU, wait, registers fetched. Returns the wait status, -errno, or RSB_RUN_INTERRUPTED without having
/// resumed. `registers` is left alone when the stub ended. With a gate (NULL for none), a stub that stopped there needs no ptrace
/// for its registers; `*at_gate` tells whether it stands there, before and after.
long rsb_stub_run(struct rsb_watch *watch, int pid, uint32_t limit_ticks, uint64_t *registers, const uint64_t *held,
                  const struct rsb_detour *detour, struct rsb_gate *gate, int32_t *at_gate);
/// The same without setting registers: after a stop that is no concern of the guest.
long rsb_stub_rerun(struct rsb_watch *watch, int pid, uint64_t *registers, struct rsb_gate *gate, int32_t *at_gate);
/// One instruction by PTRACE_SYSEMU_SINGLESTEP with these registers, which receive those after it. Returns the wait status
/// or -errno.
long rsb_stub_step(int pid, uint64_t *registers);
/// Runs the blob: sets registers, PTRACE_CONT, waits for its int3 (rip is `stopped` then), fetches registers. Other
/// stops are passed over. Returns 0, -errno, or the positive wait status when the stub ended or faulted.
long rsb_stub_inject(int pid, uint64_t *registers, uint64_t stopped);

// MARK: Memory and descriptors

/// Bytes copied; short at the first page that may not be read; -EFAULT when none.
long rsb_process_read(int pid, void *local, uint64_t remote, size_t count);
long rsb_process_write(int pid, const void *local, uint64_t remote, size_t count);
/// An executable memfd where the kernel tells the kinds apart.
long rsb_memfd_make(const char *name);
long rsb_memfd_resize(int descriptor, uint64_t size);
long rsb_memfd_pread(int descriptor, void *bytes, size_t count, uint64_t offset);
/// All of it, or -errno.
long rsb_memfd_pwrite(int descriptor, const void *bytes, size_t count, uint64_t offset);
/// One page of the file, shared with all who map it; NULL when refused.
uint64_t *rsb_memfd_map_page(int descriptor, uint64_t offset);
void rsb_memfd_unmap_page(uint64_t *page);
/// A shared view of any part of the file, page-aligned; NULL when refused.
void *rsb_memfd_map(int descriptor, uint64_t offset, size_t size, int writable);
void rsb_memfd_unmap(void *place, size_t size);
/// Whether code can be mapped from the file: 1 or 0. Where its file system is mounted noexec it cannot.
int rsb_file_can_execute(int descriptor);
/// sendfile(2): the first `size` bytes of `from` to the end of an empty file; how many there were, or -errno.
long rsb_memfd_fill(int descriptor, int from, uint64_t size);
/// madvise(2) with MADV_POPULATE_WRITE: pages that will be stored to, many at once. Where the host cannot, they fault one by one.
long rsb_memory_populate(void *address, size_t size);
/// The same with MADV_POPULATE_READ: pages of a file that will be read.
void rsb_memory_show(const void *address, size_t size);
/// madvise(2) with MADV_DONTNEED: whole pages of a mapping that files or objects are behind.
void rsb_memory_hide(const void *address, size_t size);
/// Makes a part of the file zeros again and gives its memory back.
long rsb_memfd_punch(int descriptor, uint64_t offset, uint64_t size);
/// Copies the data among the first `size` bytes of a file into another, which has zeros there. 0 or -errno.
long rsb_memfd_copy(int from, int to, uint64_t size);
long rsb_descriptor_close(int descriptor);
long rsb_proc_open(const char *path);
/// A pair of SOCK_SEQPACKET sockets, close-on-exec.
long rsb_socket_pair(int32_t pair[2]);
/// One message with one byte and these descriptors.
long rsb_send_descriptors(int socket, const int32_t *descriptors, size_t count);

/// A run of pages found by rsb_pagemap_scan.
struct rsb_page_run {
  uint64_t start, end, categories;
};
/// PAGEMAP_SCAN (Linux 6.7): pages present or swapped that are neither file nor shared. Returns how many runs;
/// `*next` is where to go on.
long rsb_pagemap_scan(int pagemap, uint64_t start, uint64_t end, struct rsb_page_run *runs, size_t capacity,
                      uint64_t *next);

// MARK: The calling thread and the machine

/// The CPU this thread runs on.
long rsb_cpu_current(void);
/// sched_getaffinity(2); returns bytes written.
long rsb_affinity_get(uint64_t *mask, size_t bytes);
long rsb_affinity_set(const uint64_t *mask, size_t bytes);
/// The same for another process.
long rsb_affinity_set_of(int pid, const uint64_t *mask, size_t bytes);
/// PR_GET_TSC: 1 when the TSC can be read, 2 when reading it faults.
long rsb_tsc_get(void);
long rsb_tsc_set(int mode);
/// rseq(2) as glibc uses it: off for the calling thread, or on again. The kernel writes to its area after every switch.
long rsb_rseq_set(int on);
/// Raises the soft limit on descriptors to the hard one.
long rsb_descriptor_limit_raise(void);
void rsb_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
uint64_t rsb_xgetbv(uint32_t index);

#endif
