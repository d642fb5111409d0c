// shows: a handler with siginfo runs, returns by rt_sigreturn and registers survive; then death by an unhandled signal.
// build: bare -O1 -ffreestanding -nostdlib -static -fno-stack-protector -mgeneral-regs-only
// signal: 15
#include "start.h"

struct kernel_action { void (*handler)(int, int *, void *); word flags; void (*restorer)(void); word mask; };
void restore(void);
__asm__("restore: mov $15, %eax\n syscall\n");
static int calls, code;
static void handler(int number, int *info, void *context) {
  (void)context;
  calls += number;
  code = info[2];
}

int guest(void) {
  struct kernel_action action = {handler, 4 | 0x04000000, restore, 0};
  long pid = CALL(sys_getpid, 0, 0, 0);
  if (CALL6(sys_rt_sigaction, 10, &action, 0, 8, 0, 0) != 0) return 1;
  for (int i = 0; i < 3; i++) {
    register long kept __asm__("r15") = 0x5a5a + i;
    __asm__ volatile("" : "+r"(kept));
    CALL(sys_kill, pid, 10, 0);
    __asm__ volatile("" : "+r"(kept));
    if (kept != 0x5a5a + i) return 2;
  }
  print_number("calls ", calls);
  print_number("code ", code);
  CALL(sys_kill, pid, 15, 0);
  return 3;
}
