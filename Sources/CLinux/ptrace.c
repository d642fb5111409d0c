// Host calls of the ptrace platform: no errno, no policy beyond what each name says.
#define _GNU_SOURCE
#include "CLinuxPtrace.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/auxvec.h>
#include <linux/elf.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>

#include "CLinux.h"

#define CALL(n, a, b, c, d, e, f) \
  rsb_syscall((n), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

_Static_assert(sizeof(struct user_regs_struct) == 27 * 8, "the seam's register order");

long rsb_ptrace(long request, int pid, uint64_t address, uint64_t data) {
  return CALL(SYS_ptrace, request, pid, address, data, 0, 0);
}

long rsb_ptrace_seize(int pid) {
  return rsb_ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD);
}

long rsb_ptrace_interrupt(int pid) { return rsb_ptrace(PTRACE_INTERRUPT, pid, 0, 0); }

long rsb_ptrace_continue(int pid) { return rsb_ptrace(PTRACE_CONT, pid, 0, 0); }

long rsb_ptrace_get_registers(int pid, void *registers) {
  return rsb_ptrace(PTRACE_GETREGS, pid, 0, (uint64_t)registers);
}

long rsb_ptrace_set_registers(int pid, const void *registers) {
  struct user_regs_struct copy = *(const struct user_regs_struct *)registers;
  copy.orig_rax = ~0ull;
  return rsb_ptrace(PTRACE_SETREGS, pid, 0, (uint64_t)&copy);
}

long rsb_ptrace_get_xstate(int pid, void *bytes, size_t capacity) {
  struct iovec vector = {bytes, capacity};
  long result = rsb_ptrace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, (uint64_t)&vector);
  return result < 0 ? result : (long)vector.iov_len;
}

long rsb_ptrace_set_xstate(int pid, const void *bytes, size_t count) {
  struct iovec vector = {(void *)bytes, count};
  return rsb_ptrace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, (uint64_t)&vector);
}

long rsb_ptrace_get_signal(int pid, struct rsb_signal_info *info) {
  siginfo_t host = {0};
  long result = rsb_ptrace(PTRACE_GETSIGINFO, pid, 0, (uint64_t)&host);
  if (result < 0) return result;
  *info = (struct rsb_signal_info){
      .signal = host.si_signo, .code = host.si_code, .address = (uint64_t)host.si_addr};
  if (host.si_signo == SIGSYS) {
    info->call_address = (uint64_t)host.si_call_addr;
    info->syscall = host.si_syscall;
  }
  return 0;
}

long rsb_ptrace_syscall_arch(int pid, uint32_t *arch) {
  struct __ptrace_syscall_info info = {0};
  long result = rsb_ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, (uint64_t)&info);
  if (result < 0) return result;
  *arch = info.arch;
  return 0;
}

long rsb_wait_stop(int pid, int *status) {
  long result;
  do result = CALL(SYS_wait4, pid, status, __WALL | __WNOTHREAD, 0, 0, 0);
  while (result == -EINTR);
  return result;
}

void rsb_kill(int pid) { CALL(SYS_kill, pid, SIGKILL, 0, 0, 0, 0); }

void rsb_reap(int pid) {
  int status;
  while (rsb_wait_stop(pid, &status) == pid)
    if (WIFEXITED(status) || WIFSIGNALED(status)) return;
}

// MARK: Watchdog

#define WATCH_SIGNAL 60
#define WATCH_THREADS 64
#define WATCH_PERIOD_NS 500000000

static _Thread_local struct rsb_watch *current_watch;
static volatile int interrupt_requested;
/// Thread ids of the tracers, for rsb_interrupt_request.
static volatile int tracer_threads[WATCH_THREADS];

/// Runs in the tracer's thread, so it may use ptrace: the stop it asks for ends the wait that it interrupted, and
/// nothing is lost when it comes just before the wait.
static void on_watch_signal(int signal, siginfo_t *info, void *context) {
  (void)signal;
  (void)context;
  struct rsb_watch *watch = current_watch;
  if (!watch) return;
  if (info->si_code == SI_TIMER) watch->ticks += 1 + (uint32_t)info->si_overrun;
  int pid = watch->running;
  if (pid && (interrupt_requested || rsb_watch_expired(watch))) rsb_ptrace_interrupt(pid);
}

int rsb_watch_expired(const struct rsb_watch *watch) {
  return watch->limit_ticks && watch->ticks - watch->start_tick >= watch->limit_ticks;
}

long rsb_watch_start(struct rsb_watch *watch) {
  // SA_RESTART: other host calls of this thread never see an EINTR of ours.
  struct sigaction action = {.sa_sigaction = on_watch_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
  if (sigaction(WATCH_SIGNAL, &action, NULL) < 0) return -errno;
  // Nobody listens: then stops of stubs need not send it, each and every one.
  if (sigaction(SIGCHLD, NULL, &action) == 0 && action.sa_handler == SIG_DFL && !(action.sa_flags & SA_NOCLDSTOP)) {
    action.sa_flags |= SA_NOCLDSTOP;
    sigaction(SIGCHLD, &action, NULL);
  }
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, WATCH_SIGNAL);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);

  int thread = (int)CALL(SYS_gettid, 0, 0, 0, 0, 0, 0);
  for (int i = 0; i < WATCH_THREADS; i++) {
    int empty = 0;
    if (__atomic_compare_exchange_n(&tracer_threads[i], &empty, thread, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) break;
  }
  struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = WATCH_SIGNAL};
  event._sigev_un._tid = thread;
  watch->running = 0;
  long result = CALL(SYS_timer_create, CLOCK_MONOTONIC, &event, &watch->timer, 0, 0, 0);
  if (result < 0) return result;
  struct itimerspec period = {{0, WATCH_PERIOD_NS}, {0, WATCH_PERIOD_NS}};
  current_watch = watch;
  return CALL(SYS_timer_settime, watch->timer, 0, &period, 0, 0, 0);
}

void rsb_watch_stop(struct rsb_watch *watch) {
  CALL(SYS_timer_delete, watch->timer, 0, 0, 0, 0, 0);
  int thread = (int)CALL(SYS_gettid, 0, 0, 0, 0, 0, 0);
  for (int i = 0; i < WATCH_THREADS; i++) {
    int expected = thread;
    if (__atomic_compare_exchange_n(&tracer_threads[i], &expected, 0, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) break;
  }
  if (current_watch == watch) current_watch = NULL;
}

void rsb_interrupt_request(void) {
  interrupt_requested = 1;
  long process = CALL(SYS_getpid, 0, 0, 0, 0, 0, 0);
  for (int i = 0; i < WATCH_THREADS; i++)
    if (tracer_threads[i]) CALL(SYS_tgkill, process, tracer_threads[i], WATCH_SIGNAL, 0, 0, 0);
}

void rsb_interrupt_clear(void) { interrupt_requested = 0; }

int rsb_interrupt_requested(void) { return interrupt_requested; }

// MARK: Turns of a stub

enum {
  R11 = 6, RAX = 10, RCX = 11, RDX = 12, RSI = 13, RDI = 14, ORIG_RAX = 15, RIP = 16, CS = 17, FLAGS = 18, RSP = 19, SS = 20,
  FS_BASE = 21, GS_BASE = 22, WORDS = 27
};

/// Which registers must be set: 0 none, 1 rax alone, 2 more. orig_rax does not count.
static int difference(const uint64_t *wanted, const uint64_t *held) {
  uint64_t changed = 0;
  for (int i = 0; i < RAX; i++) changed |= wanted[i] ^ held[i];
  for (int i = RAX + 1; i < ORIG_RAX; i++) changed |= wanted[i] ^ held[i];
  for (int i = ORIG_RAX + 1; i < WORDS; i++) changed |= wanted[i] ^ held[i];
  if (changed) return 2;
  if (wanted[RAX] == held[RAX]) return 0;
  // The kernel's restart codes (ERESTARTSYS 512 to ERESTART_RESTARTBLOCK 516) would be acted on if orig_rax stayed.
  return wanted[RAX] >= (uint64_t)-516 && wanted[RAX] <= (uint64_t)-512 ? 2 : 1;
}

/// getauxval(3). Its header has the types of linux/elf.h once more.
unsigned long getauxval(unsigned long type);

int rsb_gate_is_usable(void) { return getauxval(AT_HWCAP2) >> 1 & 1; }  // HWCAP2_FSGSBASE

/// Leaves it to the gate to set what a stub that stands there goes on with. 0 when that is more than it can.
static int pass_by_gate(struct rsb_gate *gate, const uint64_t *wanted, const uint64_t *held, const struct rsb_detour *detour) {
  // What only ptrace sets: code and stack segment, the gs base, the selectors; and single steps would show in the gate.
  uint64_t changed = (wanted[CS] ^ held[CS]) | (wanted[SS] ^ held[SS]) | (wanted[FLAGS] & 0x100);
  for (int i = GS_BASE; i < WORDS; i++) changed |= wanted[i] ^ held[i];
  // The kernel refuses others, and the processor addresses that are not canonical.
  if (changed || wanted[FS_BASE] >> 47) return 0;
  for (int i = 0; i < ORIG_RAX; i++) gate->registers[i] = wanted[i];
  gate->registers[RIP] = wanted[RIP];
  gate->registers[FLAGS] = wanted[FLAGS];
  gate->registers[RSP] = wanted[RSP];
  gate->registers[FS_BASE] = wanted[FS_BASE];
  gate->save = detour->save;
  gate->load = detour->load;
  gate->components = detour->components;
  return 1;
}

/// The registers as PTRACE_GETREGS would tell them if the stub had stopped where it entered the gate, but for rcx, which is the
/// guest's. `registers`: those that it was resumed with.
static void registers_from_gate(const struct rsb_gate *gate, uint64_t *registers) {
  uint64_t code = registers[CS], stack = registers[SS], gs_base = registers[GS_BASE];
  for (int i = 0; i < WORDS; i++) registers[i] = gate->registers[i];
  registers[CS] = code;
  registers[SS] = stack;
  registers[GS_BASE] = gs_base;
  registers[RAX] = (uint64_t)-ENOSYS;
  registers[R11] = registers[FLAGS];
}

static long resume_and_wait(struct rsb_watch *watch, int pid, uint64_t *registers, struct rsb_gate *gate, int32_t *at_gate) {
  *at_gate = 0;
  for (;;) {
    int status;
    long result = rsb_ptrace(PTRACE_SYSEMU, pid, 0, 0);
    if (result < 0) return result;
    result = rsb_wait_stop(pid, &status);
    watch->running = 0;
    if (result < 0) return result;
    if (!WIFSTOPPED(status)) return status;
    uint64_t entered = gate && status >> 8 == (SIGTRAP | 0x80) ? gate->entered : 0;
    if (entered > 1) {
      registers_from_gate(gate, registers);
      *at_gate = 1;
      return status;
    }
    result = rsb_ptrace_get_registers(pid, registers);
    if (result < 0) return result;
    if (entered) registers[RIP] = gate->registers[RIP], registers[RCX] = gate->registers[RCX];
    int is_fault = status >> 8 == SIGSEGV || status >> 8 == SIGBUS;
    if (!gate || !is_fault || registers[RIP] != gate->word_load) return status;
    // The gate could not read the word of a futex: the kernel will see that for itself.
    registers[RIP] = gate->behind_word_load;
    result = rsb_ptrace_set_registers(pid, registers);
    if (result < 0) return result;
    watch->running = pid;
  }
}

/// Sets registers so that the stub goes through the blob's state switch first.
static long set_registers_by(const struct rsb_detour *detour, int pid, const uint64_t *registers) {
  detour->list[0] = registers[RAX];
  detour->list[1] = registers[RDX];
  detour->list[2] = registers[RDI];
  detour->list[3] = registers[RSI];
  detour->list[4] = registers[RIP];
  uint64_t copy[WORDS];
  for (int i = 0; i < WORDS; i++) copy[i] = registers[i];
  copy[RAX] = detour->components & 0xffffffff;
  copy[RDX] = detour->components >> 32;
  copy[RDI] = detour->save;
  copy[RSI] = detour->load;
  copy[RIP] = detour->entry;
  return rsb_ptrace_set_registers(pid, copy);
}

long rsb_stub_run(struct rsb_watch *watch, int pid, uint32_t limit_ticks, uint64_t *registers, const uint64_t *held,
                  const struct rsb_detour *detour, struct rsb_gate *gate, int32_t *at_gate) {
  current_watch = watch;
  watch->limit_ticks = limit_ticks;
  watch->start_tick = watch->ticks;
  watch->running = pid;
  if (interrupt_requested) {
    watch->running = 0;
    return RSB_RUN_INTERRUPTED;
  }
  long result = 0;
  if (gate && held && *at_gate && pass_by_gate(gate, registers, held, detour)) {
    // Nothing to set.
  } else if (detour->entry) {
    result = set_registers_by(detour, pid, registers);
  } else {
    int mode = !held || (gate && *at_gate) ? 2 : difference(registers, held);
    // For a gate that goes on by them.
    if (gate) gate->registers[RIP] = registers[RIP], gate->registers[RCX] = registers[RCX];
    if (mode == 1) result = rsb_ptrace(PTRACE_POKEUSER, pid, RAX * 8, registers[RAX]);
    if (mode == 2) result = rsb_ptrace_set_registers(pid, registers);
  }
  if (gate) gate->entered = gate->word_address = 0;
  if (result >= 0) result = resume_and_wait(watch, pid, registers, gate, at_gate);
  watch->running = 0;
  return result;
}

long rsb_stub_rerun(struct rsb_watch *watch, int pid, uint64_t *registers, struct rsb_gate *gate, int32_t *at_gate) {
  watch->running = pid;
  long result = resume_and_wait(watch, pid, registers, gate, at_gate);
  watch->running = 0;
  return result;
}

long rsb_stub_step(int pid, uint64_t *registers) {
  int status;
  long result = rsb_ptrace_set_registers(pid, registers);
  do {
    if (result >= 0) result = rsb_ptrace(32, pid, 0, 0);  // PTRACE_SYSEMU_SINGLESTEP
    if (result >= 0) result = rsb_wait_stop(pid, &status);
    if (result < 0) return result;
    if (!WIFSTOPPED(status)) return status;
  } while (status >> 16);  // An event: an interrupt of ours that came late.
  result = rsb_ptrace_get_registers(pid, registers);
  return result < 0 ? result : status;
}

long rsb_stub_inject(int pid, uint64_t *registers, uint64_t stopped) {
  long result = rsb_ptrace_set_registers(pid, registers);
  while (result >= 0) {
    int status;
    result = rsb_ptrace_continue(pid);
    if (result >= 0) result = rsb_wait_stop(pid, &status);
    if (result < 0) break;
    if (!WIFSTOPPED(status)) return status;
    if (status >> 16) continue;  // An event: an interrupt of ours that came late, or a group stop of the host.
    if (WSTOPSIG(status) == SIGTRAP) {
      result = rsb_ptrace_get_registers(pid, registers);
      if (result < 0 || registers[RIP] == stopped) return result;
    }
    struct rsb_signal_info info;
    result = rsb_ptrace_get_signal(pid, &info);
    if (result >= 0 && info.code > 0) return status;  // Otherwise sent by a process: swallowed.
  }
  return result;
}
