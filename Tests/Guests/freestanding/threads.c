// shows: four threads by bare clone, a futex mutex and exit futexes: 400 increments, ended in order.
// build: bare -O1 -ffreestanding -nostdlib -static -fno-stack-protector -mgeneral-regs-only
#include "start.h"

enum { threads = 4, rounds = 100 };
static char stacks[threads][16384] __attribute__((aligned(16)));
static int alive[threads];
static int lock;
static long counter;

static void take(void) {
  int expected = 0;
  if (__atomic_compare_exchange_n(&lock, &expected, 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) return;
  while (__atomic_exchange_n(&lock, 2, __ATOMIC_SEQ_CST) != 0) CALL6(sys_futex, &lock, 128, 2, 0, 0, 0);
}
static void give(void) {
  if (__atomic_exchange_n(&lock, 0, __ATOMIC_SEQ_CST) == 2) CALL6(sys_futex, &lock, 129, 1, 0, 0, 0);
}
void thread_body(void) {
  for (int i = 0; i < rounds; i++) {
    take();
    long seen = counter;
    if (i % 10 == 0) CALL(sys_sched_yield, 0, 0, 0);
    counter = seen + 1;
    give();
  }
  CALL(sys_exit, 0, 0, 0);
}
// clone(2): the child returns on a new stack, so it goes straight to its body.
long spawn(long flags, void *stack, int *child_word);
__asm__("spawn: mov %rdx, %r10\n mov $56, %eax\n xor %edx, %edx\n xor %r8d, %r8d\n syscall\n test %eax, %eax\n jnz 1f\n"
        "xor %ebp, %ebp\n and $-16, %rsp\n call thread_body\n hlt\n1: ret\n");

int guest(void) {
  long flags = 0x00000100 | 0x00000200 | 0x00000400 | 0x00000800 | 0x00010000 | 0x00040000 | 0x00200000 | 0x01000000;
  for (int i = 0; i < threads; i++) {
    alive[i] = 1;
    if (spawn(flags, stacks[i] + sizeof stacks[i], &alive[i]) < 0) return 1;
  }
  for (int i = 0; i < threads; i++) {
    int value;
    while ((value = __atomic_load_n(&alive[i], __ATOMIC_SEQ_CST)) != 0) CALL6(sys_futex, &alive[i], 0, value, 0, 0, 0);
  }
  print_number("counter ", counter);
  return counter == threads * rounds ? 0 : 1;
}
