// shows: a loop patches an instruction of itself each time round; a store changes the very next instruction; code grows before itself.
// build: static -O1 -static
#include "code.h"

// long self(long rounds): adds 1 + 2 + ... by patching the immediate of its own add.
extern char self[], self_end[], self_patch[], next[], next_end[], ahead[], ahead_end[];
__asm__(".text\nself: xor %eax, %eax\n mov $1, %ecx\n"
        "1: mov %ecx, self_patch+1(%rip)\n"
        "self_patch: add $0x7fffffff, %eax\n inc %ecx\n dec %rdi\n jnz 1b\n ret\nself_end:\n"
        // int next(int value): the store writes the immediate of the instruction behind it, in the same block.
        "next: mov %edi, 1f+1(%rip)\n 1: mov $0, %eax\n mov %edi, %ecx\n movb $0x90, 2f(%rip)\n movb $0x90, 2f+1(%rip)\n 2: ud2\n movw $0x0b0f, 2b(%rip)\n ret\nnext_end:\n"
        // Writes `ret` a few bytes in front of where it runs, each time one byte further: N nops are executed.
        "ahead: xor %eax, %eax\n lea 1f(%rip), %r11\n movb $0x90, -1(%r11,%rdi)\n movb $0xc3, (%r11,%rdi)\n jmp 1f\n .balign 64\n 1: .fill 120, 1, 0x90\n ud2\nahead_end:\n");

int main(void) {
  unsigned char *code = code_pages(8192);
  unsigned char *at_self = code, *at_next = code + 512, *at_ahead = code + 4096 - 100;
  memcpy(at_self, self, (size_t)(self_end - self));
  memcpy(at_next, next, (size_t)(next_end - next));
  at_ahead = (unsigned char *)((uint64_t)at_ahead & ~63ul);
  memcpy(at_ahead, ahead, (size_t)(ahead_end - ahead));
  for (long i = 1; i < 100; i++) CHECK(((int (*)(long))at_self)(i) == (int)(i * (i + 1) / 2));
  for (int i = 0; i < 1000; i++) CHECK(((int (*)(int))at_next)(i * 3) == i * 3);
  for (long i = 1; i < 120; i++) CHECK(((long (*)(long))at_ahead)(i) == 0);
  return guest_done("patch_in_loop");
}
