// shows: cpuid, rdtsc, rdtscp, rdrand, xgetbv in the middle of a block change what the manual says and no other register or flag.
// build: static -O1 -static
// engine: translated
#include <cpuid.h>
#include "guest.h"

uint64_t special_in[16], special_out[17], special_rsp;
// Loads all registers from special_in (order rax rcx rdx rbx rsp rbp rsi rdi r8..r15), sets CF PF ZF SF OF by hand, runs one
// instruction between two that need r11 and flags, stores everything.
#define SPECIAL(name, instruction)                                                                                                  \
  __asm__(".text\n.globl " #name "\n" #name ":\n"                                                                                  \
          "push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n mov %rsp, special_rsp(%rip)\n"                   \
          "mov special_in(%rip), %rax\n add $0x7fffffff, %eax\n"                                                                    \
          "mov special_in+8(%rip), %rcx\n mov special_in+16(%rip), %rdx\n mov special_in+24(%rip), %rbx\n"                          \
          "mov special_in+40(%rip), %rbp\n mov special_in+48(%rip), %rsi\n mov special_in+56(%rip), %rdi\n"                         \
          "mov special_in+64(%rip), %r8\n mov special_in+72(%rip), %r9\n mov special_in+80(%rip), %r10\n"                           \
          "mov special_in+88(%rip), %r11\n mov special_in+96(%rip), %r12\n mov special_in+104(%rip), %r13\n"                        \
          "mov special_in+112(%rip), %r14\n mov special_in+120(%rip), %r15\n mov special_in(%rip), %rax\n"                          \
          "lea 1(%r11), %r11\n stc\n " instruction "\n lea -1(%r11), %r11\n"                                                        \
          "mov %rax, special_out(%rip)\n mov %rcx, special_out+8(%rip)\n mov %rdx, special_out+16(%rip)\n"                          \
          "mov %rbx, special_out+24(%rip)\n mov %rbp, special_out+40(%rip)\n mov %rsi, special_out+48(%rip)\n"                      \
          "mov %rdi, special_out+56(%rip)\n mov %r8, special_out+64(%rip)\n mov %r9, special_out+72(%rip)\n"                        \
          "mov %r10, special_out+80(%rip)\n mov %r11, special_out+88(%rip)\n mov %r12, special_out+96(%rip)\n"                      \
          "mov %r13, special_out+104(%rip)\n mov %r14, special_out+112(%rip)\n mov %r15, special_out+120(%rip)\n"                   \
          "mov %rsp, special_out+32(%rip)\n pushfq\n pop special_out+128(%rip)\n"                                                   \
          "pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n");                                               \
  void name(void);

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11 };
SPECIAL(run_nothing, "nop")
SPECIAL(run_cpuid, "cpuid")
SPECIAL(run_rdtsc, "rdtsc")
SPECIAL(run_rdtscp, "rdtscp")
SPECIAL(run_xgetbv, "xgetbv")
SPECIAL(run_rdrand, "rdrand %r11")
SPECIAL(run_rdrand32, "rdrand %r10d")
SPECIAL(run_rdrand16, "rdrand %r11w")
SPECIAL(run_rdseed, "rdseed %rcx")

static uint64_t plain_flags;
/// Runs one and checks that only the registers of the mask changed; `loose`: flags are its result.
static void check(void (*run)(void), unsigned changed, int loose) {
  run();
  for (int i = 0; i < 16; i++)
    if (i != RSP && !(changed >> i & 1)) CHECK(special_out[i] == special_in[i]);
  CHECK(special_out[RSP] == special_rsp);
  if (!loose) CHECK(special_out[16] == plain_flags);
}

int main(void) {
  unsigned a = 0, b = 0, c = 0, d = 0, b7 = 0, c7, d7;
  __get_cpuid(1, &a, &b, &c, &d);
  __get_cpuid_count(7, 0, &a, &b7, &c7, &d7);
  for (int round = 0; round < 50; round++) {
    for (int i = 0; i < 16; i++) special_in[i] = 0x0101010101010101u * (unsigned)(i + 1 + round);
    run_nothing();
    plain_flags = special_out[16];
    special_in[RAX] = 0;
    special_in[RCX] = 0;
    run_nothing();
    plain_flags = special_out[16];
    check(run_cpuid, 1 << RAX | 1 << RBX | 1 << RCX | 1 << RDX, 0);
    CHECK(special_out[RAX] >> 32 == 0 && special_out[RBX] >> 32 == 0 && special_out[RCX] >> 32 == 0 && special_out[RDX] >> 32 == 0);
    check(run_rdtsc, 1 << RAX | 1 << RDX, 0);
    CHECK(special_out[RAX] >> 32 == 0 && special_out[RDX] >> 32 == 0);
    check(run_rdtscp, 1 << RAX | 1 << RDX | 1 << RCX, 0);
    CHECK(special_out[RCX] >> 32 == 0);
    if (c & bit_OSXSAVE) {
      check(run_xgetbv, 1 << RAX | 1 << RDX, 0);
      CHECK((special_out[RAX] & 3) == 3 && special_out[RDX] >> 32 == 0);
    }
    if (c & bit_RDRND) {
      // CF says that there was a number; the other status flags are cleared.
      check(run_rdrand, 1 << R11, 1);
      CHECK((special_out[16] & 0x8d5) == 1);
      check(run_rdrand32, 1 << R10, 1);
      CHECK((special_out[16] & 0x8d5) == 1 && special_out[R10] >> 32 == 0);
      check(run_rdrand16, 1 << R11, 1);
      CHECK((special_out[16] & 0x8d5) == 1 && (special_out[R11] + 1) >> 16 == (special_in[R11] + 1) >> 16);
    }
    if (b7 & bit_RDSEED) {
      check(run_rdseed, 1 << RCX, 1);
      CHECK((special_out[16] & 0x8d4) == 0);
    }
  }
  return guest_done("cpuid_registers");
}
