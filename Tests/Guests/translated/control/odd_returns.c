// shows: ret with a count, call of the next instruction, push and ret, a changed return address, tail calls, branches through r11.
// build: static -O1 -static
// build: pie -O1 -fPIE -pie
#include "guest.h"

long counted(long a, long b), get_pc(void), pushed(long value), changed(long value), through_r11(long value), tail(long depth);
extern char get_pc_next[];
__asm__(
    ".text\n"
    // Arguments on the stack, taken away by the callee.
    "counted: mov %rsp, %rdx\n push %rsi\n push %rdi\n call callee_counts\n cmp %rsp, %rdx\n jne bad\n ret\n"
    "callee_counts: mov 8(%rsp), %rax\n imul $10, %rax\n add 16(%rsp), %rax\n ret $16\n"
    "bad: mov $-1, %rax\n ret\n"
    "get_pc: call get_pc_next\n get_pc_next: pop %rax\n ret\n"
    // A jump as compilers make it against branch prediction: the target is pushed, or written over the return address.
    "pushed: lea pushed_target(%rip), %r11\n push %r11\n ret\n ud2\n"
    "pushed_target: lea 1(%rdi), %rdi\n call thunk\n ud2\n"
    "thunk: lea thunk_target(%rip), %r11\n mov %r11, (%rsp)\n ret\n ud2\n"
    "thunk_target: lea 2(%rdi), %rax\n ret\n"
    // The callee returns behind the constant that follows the call.
    "changed: call skipper\n .quad 0x123456789abcdef\n add %rdi, %rax\n ret\n"
    "skipper: pop %r11\n mov (%r11), %rax\n add $8, %r11\n jmp *%r11\n"
    // r11 as operand of every kind of indirect branch.
    "through_r11: lea r11_table(%rip), %r11\n mov %rdi, %rax\n call *(%r11)\n lea r11_table(%rip), %r11\n mov $1, %ecx\n call *(%r11,%rcx,8)\n"
    " lea triple(%rip), %r11\n call *%r11\n lea r11_table(%rip), %r11\n mov 8(%r11), %r11\n jmp *%r11\n"
    "twice: add %rax, %rax\n ret\n triple: lea (%rax,%rax,2), %rax\n ret\n"
    "plus_one: push %r11\n inc %rax\n pop %r11\n ret\n"
    ".data\n r11_table: .quad twice, plus_one\n .text\n"
    // Tail calls through pointers, depth times, on the same stack.
    "tail: mov tail_pointer(%rip), %rax\n sub $1, %rdi\n jz 1f\n jmp *%rax\n 1: mov %rsp, %rax\n ret\n"
    ".data\n tail_pointer: .quad tail\n .text\n");

int main(void) {
  for (long i = 0; i < 1000; i++) {
    CHECK(counted(i, i + 3) == i * 10 + i + 3);
    CHECK(get_pc() == (long)get_pc_next);
    CHECK(pushed(i) == i + 3);
    CHECK(changed(i) == 0x123456789abcdef + i);
    CHECK(through_r11(i) == (i * 2 + 1) * 3 + 1);
  }
  CHECK(tail(100000) != 0);
  return guest_done("odd_returns");
}
