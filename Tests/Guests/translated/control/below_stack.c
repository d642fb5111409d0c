// shows: nothing but the program writes below rsp: return addresses there are the program's own, the rest keeps its pattern.
// build: static -O1 -pthread -static
#include "guest.h"

// Fills 4096 bytes below rsp, makes calls, returns, loops, indirect jumps and syscalls, and counts the words below that changed.
// Of rsp-8 the calls are expected to leave their return address.
long below(long turns);
__asm__(".text\n.globl below\nbelow:\n push %rbx\n mov $0x5a5a5a5a5a5a5a5a, %rdx\n"
        " mov $-4096, %rcx\n 1: mov %rdx, (%rsp,%rcx)\n add $8, %rcx\n jnz 1b\n"
        " mov %rdi, %rbx\n lea below_leaf(%rip), %r10\n"
        "2: call below_leaf\n call *%r10\n mov %r10, %r11\n call *%r11\n lea 3f(%rip), %rax\n jmp *%rax\n"
        "3: mov $7, %ecx\n 4: loop 4b\n dec %rbx\n jnz 2b\n"
        " mov $39, %eax\n syscall\n rdtsc\n xor %eax, %eax\n xor %ecx, %ecx\n push %rbx\n pop %rbx\n cpuid\n"
        " call below_leaf\n below_back: xor %eax, %eax\n mov $0x5a5a5a5a5a5a5a5a, %rdx\n lea below_back(%rip), %rcx\n cmp %rcx, -8(%rsp)\n je 5f\n inc %rax\n"
        "5: mov $-4096, %rcx\n 6: cmp %rdx, (%rsp,%rcx)\n je 7f\n inc %rax\n 7: add $8, %rcx\n cmp $-8, %rcx\n jne 6b\n"
        " pop %rbx\n ret\n"
        "below_leaf: ret\n");

static void *body(void *argument) {
  for (int i = 1; i < 30; i++) CHECK(below(i * 50) == 0);
  return argument;
}

int main(void) {
  pthread_t threads[3];
  for (int i = 0; i < 3; i++) ZERO(pthread_create(&threads[i], NULL, body, NULL));
  for (int i = 0; i < 3; i++) ZERO(pthread_join(threads[i], NULL));
  return guest_done("below_stack");
}
