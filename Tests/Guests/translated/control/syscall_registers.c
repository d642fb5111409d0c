// shows: after syscall rcx is the next address and r11 the control flags; every other register, the flags and the red zone are as before.
// build: static -O1 -pthread -static
// build: pie -O1 -fPIE -pie -pthread
#include "guest.h"

uint64_t call_in[16], call_out[18];
// A getppid in the middle of a block with all registers set; order rax rcx rdx rbx rbp rsi rdi r8..r15; then rsp differences and flags.
void call_probe(void);
extern char call_behind[];
__asm__(".text\n.globl call_probe, call_behind\ncall_probe:\n push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"
        " mov call_in+16(%rip), %rdx\n mov call_in+24(%rip), %rbx\n mov call_in+32(%rip), %rbp\n mov call_in+40(%rip), %rsi\n"
        " mov call_in+48(%rip), %rdi\n mov call_in+56(%rip), %r8\n mov call_in+64(%rip), %r9\n mov call_in+72(%rip), %r10\n"
        " mov call_in+80(%rip), %r11\n mov call_in+88(%rip), %r12\n mov call_in+96(%rip), %r13\n mov call_in+104(%rip), %r14\n"
        " mov call_in+112(%rip), %r15\n movq %rbx, -64(%rsp)\n push call_in+120(%rip)\n popfq\n mov %rsp, %rcx\n mov %rcx, call_out+120(%rip)\n"
        " mov $110, %eax\n syscall\ncall_behind: mov %rax, call_out(%rip)\n mov %rcx, call_out+8(%rip)\n mov %rdx, call_out+16(%rip)\n"
        " mov %rbx, call_out+24(%rip)\n mov %rbp, call_out+32(%rip)\n mov %rsi, call_out+40(%rip)\n mov %rdi, call_out+48(%rip)\n"
        " mov %r8, call_out+56(%rip)\n mov %r9, call_out+64(%rip)\n mov %r10, call_out+72(%rip)\n mov %r11, call_out+80(%rip)\n"
        " mov %r12, call_out+88(%rip)\n mov %r13, call_out+96(%rip)\n mov %r14, call_out+104(%rip)\n mov %r15, call_out+112(%rip)\n"
        " mov -64(%rsp), %rcx\n mov %rcx, call_out+136(%rip)\n pushfq\n pop call_out+128(%rip)\n cld\n mov call_out+120(%rip), %rcx\n sub %rsp, %rcx\n mov %rcx, call_out+120(%rip)\n"
        " pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n");

int main(void) {
  long parent = getppid();
  for (int round = 0; round < 100; round++) {
    for (int i = 0; i < 15; i++) call_in[i] = 0x0123456789abcdefu * (unsigned)(round + 1) + (unsigned)i;
    static const uint64_t patterns[] = {0x202, 0x203, 0x8d7 | 0x200, 0x602, 0x246, 0xa02};
    call_in[15] = patterns[round % 6];
    call_probe();
    CHECK((long)call_out[0] == parent);
    CHECK(call_out[1] == (uint64_t)call_behind);
    // Of the status flags r11 natively has a copy, and here nothing: undefined ones would differ from processor to processor.
    CHECK((call_out[10] & 0x600) == (call_in[15] & 0x600));
    CHECK((call_out[16] & 0xed5) == (call_in[15] & 0xed5));
    for (int i = 2; i < 15; i++)
      if (i != 10) CHECK(call_out[i] == call_in[i]);
    CHECK(call_out[15] == 0);
    CHECK(call_out[17] == call_in[3]);
  }
  return guest_done("syscall_registers");
}
