// A probe is one instruction that faults (or traps) in the middle of a block, with a known value in every register and known
// flags. The handler keeps what the context says; main compares. The handler then changes every register and goes on behind it.
#ifndef PROBE_H
#define PROBE_H
#include <ucontext.h>
#include "guest.h"

// In the order of gregs: r8..r15 rdi rsi rbp rbx rdx rax rcx; then rsp, rip, flags.
enum { P_R8, P_R9, P_R10, P_R11, P_R12, P_R13, P_R14, P_R15, P_RDI, P_RSI, P_RBP, P_RBX, P_RDX, P_RAX, P_RCX, P_RSP, P_RIP, P_FLAGS };
enum { P_GENERAL = 15, STATUS_FLAGS = 0xcd5 };

uint64_t probe_in[18], probe_out[18], probe_saved_rsp;
static uint64_t probe_seen[18], probe_resume, probe_change;
static siginfo_t probe_info;
static int probe_count, probe_reads_top;
static uint64_t probe_top;  // what lies at rsp, where probe_reads_top asks for it

// What runs before the instruction: uses r11, a jump within, and rip-relative memory; changes nothing.
#define BEFORE "lea 1(%r11), %r11\n jmp 7f\n 7: mov %r11, probe_out(%rip)\n lea -1(%r11), %r11\n"

#define PROBE(name, before, instruction)                                                                                             \
  __asm__(".text\n.globl " #name ", " #name "_at, " #name "_after\n" #name ":\n"                                                     \
          "push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n mov %rsp, probe_saved_rsp(%rip)\n"                \
          "push probe_in+136(%rip)\n popfq\n"                                                                                        \
          "mov probe_in(%rip), %r8\n mov probe_in+8(%rip), %r9\n mov probe_in+16(%rip), %r10\n mov probe_in+24(%rip), %r11\n"        \
          "mov probe_in+32(%rip), %r12\n mov probe_in+40(%rip), %r13\n mov probe_in+48(%rip), %r14\n mov probe_in+56(%rip), %r15\n"  \
          "mov probe_in+64(%rip), %rdi\n mov probe_in+72(%rip), %rsi\n mov probe_in+80(%rip), %rbp\n mov probe_in+88(%rip), %rbx\n"  \
          "mov probe_in+96(%rip), %rdx\n mov probe_in+104(%rip), %rax\n mov probe_in+112(%rip), %rcx\n" before                       \
          "\n" #name "_at: " instruction "\n" #name "_after:\n"                                                                      \
          "mov %r8, probe_out(%rip)\n mov %r9, probe_out+8(%rip)\n mov %r10, probe_out+16(%rip)\n mov %r11, probe_out+24(%rip)\n"    \
          "mov %r12, probe_out+32(%rip)\n mov %r13, probe_out+40(%rip)\n mov %r14, probe_out+48(%rip)\n"                             \
          "mov %r15, probe_out+56(%rip)\n mov %rdi, probe_out+64(%rip)\n mov %rsi, probe_out+72(%rip)\n"                             \
          "mov %rbp, probe_out+80(%rip)\n mov %rbx, probe_out+88(%rip)\n mov %rdx, probe_out+96(%rip)\n"                             \
          "mov %rax, probe_out+104(%rip)\n mov %rcx, probe_out+112(%rip)\n mov %rsp, probe_out+120(%rip)\n"                          \
          "mov probe_saved_rsp(%rip), %rsp\n pushfq\n pop probe_out+136(%rip)\n cld\n"                                               \
          "pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n");                                                \
  void name(void);                                                                                                                   \
  extern char name##_at[], name##_after[];

static const int probe_greg[18] = {REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RDI,
                                   REG_RSI, REG_RBP, REG_RBX, REG_RDX, REG_RAX, REG_RCX, REG_RSP, REG_RIP, REG_EFL};

static void probe_handler(int number, siginfo_t *info, void *raw) {
  (void)number;
  greg_t *registers = ((ucontext_t *)raw)->uc_mcontext.gregs;
  probe_info = *info;
  probe_count++;
  for (int i = 0; i < 18; i++) probe_seen[i] = (uint64_t)registers[probe_greg[i]];
  if (probe_reads_top) probe_top = *(uint64_t *)registers[REG_RSP];
  if (probe_change)
    for (int i = 0; i < P_GENERAL; i++) registers[probe_greg[i]] ^= (greg_t)(probe_change * (unsigned)(i + 1));
  if (probe_change) registers[REG_EFL] ^= 0x8c1;
  registers[REG_RIP] = (greg_t)probe_resume;
}

static void probe_install(void) {
  static char stack[65536] __attribute__((aligned(16)));
  stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
  OK(sigaltstack(&alternate, NULL));
  int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
  for (int i = 0; i < 5; i++) {
    struct sigaction action = {.sa_sigaction = probe_handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    OK(sigaction(numbers[i], &action, NULL));
  }
}

/// Fills the registers with a pattern that no address matches; flags CF and ZF set, SF and OF alternately.
static void probe_fill(uint64_t seed) {
  for (int i = 0; i < P_GENERAL; i++) probe_in[i] = 0x1234567890abcdefu * (seed + 1) + 0x0101010101010101u * (unsigned)i;
  probe_in[P_FLAGS] = 0x202 | 0x41 | (seed % 2 ? 0x880 : 0x14);
}

struct expectation {
  const char *name;
  int signal, code;
  const void *address;  // of siginfo; PROBE_ANY: not compared
  const void *rip;
};
#define PROBE_ANY ((const void *)-1)

static void probe_complain(const char *name, const char *what, uint64_t got, uint64_t wanted) {
  printf("FAIL %s: %s is %#lx, expected %#lx\n", name, what, (unsigned long)got, (unsigned long)wanted);
  guest_failures++;
}

/// Runs a probe and compares the signal, the context and what came out of it.
static inline void probe_check(void (*run)(void), const void *after, struct expectation expected) {
  static const char *const names[] = {"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rdi", "rsi", "rbp", "rbx", "rdx", "rax", "rcx", "rsp"};
  probe_resume = (uint64_t)after;
  probe_change = 0x1111111111111111u;
  int before = probe_count;
  run();
  if (probe_count != before + 1) {
    probe_complain(expected.name, "the number of signals", (unsigned)(probe_count - before), 1);
    return;
  }
  if (probe_info.si_signo != expected.signal) probe_complain(expected.name, "the signal", (unsigned)probe_info.si_signo, (unsigned)expected.signal);
  if (probe_info.si_code != expected.code) probe_complain(expected.name, "si_code", (unsigned)probe_info.si_code, (unsigned)expected.code);
  if (expected.address != PROBE_ANY && probe_info.si_addr != expected.address) probe_complain(expected.name, "si_addr", (uint64_t)probe_info.si_addr, (uint64_t)expected.address);
  if (expected.rip != PROBE_ANY && probe_seen[P_RIP] != (uint64_t)expected.rip) probe_complain(expected.name, "rip", probe_seen[P_RIP], (uint64_t)expected.rip);
  for (int i = 0; i < P_GENERAL; i++) {
    if (probe_seen[i] != probe_in[i]) probe_complain(expected.name, names[i], probe_seen[i], probe_in[i]);
    uint64_t out = probe_in[i] ^ probe_change * (unsigned)(i + 1);
    if (probe_out[i] != out) probe_complain(expected.name, "afterwards a register", probe_out[i], out);
  }
  if (probe_seen[P_RSP] != probe_out[P_RSP]) probe_complain(expected.name, "rsp", probe_seen[P_RSP], probe_out[P_RSP]);
  if ((probe_seen[P_FLAGS] & STATUS_FLAGS) != (probe_in[P_FLAGS] & STATUS_FLAGS)) probe_complain(expected.name, "flags", probe_seen[P_FLAGS], probe_in[P_FLAGS]);
  if ((probe_out[P_FLAGS] & STATUS_FLAGS) != ((probe_in[P_FLAGS] ^ 0x8c1) & STATUS_FLAGS)) probe_complain(expected.name, "flags afterwards", probe_out[P_FLAGS], probe_in[P_FLAGS] ^ 0x8c1);
}

#define RUN(probe, signal_number, si_code_value, address_value, rip_value) \
  probe_check(probe, probe##_after, (struct expectation){#probe, signal_number, si_code_value, address_value, rip_value})
#endif
