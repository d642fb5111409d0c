// shows: mmap of a private page, a fault handler that repairs it, then a wild write that ends the guest by SIGSEGV.
// build: bare -O1 -ffreestanding -nostdlib -static -fno-stack-protector -mgeneral-regs-only
// signal: 11
#include "start.h"

struct kernel_action { void (*handler)(int, int *, void *); word flags; void (*restorer)(void); word mask; };
void restore(void);
__asm__("restore: mov $15, %eax\n syscall\n");
static char *page;
static int repaired;
static void handler(int number, int *info, void *context) {
  (void)number, (void)context;
  char *at = *(char **)(info + 4);
  if (at != page + 8) CALL(sys_exit_group, 9, 0, 0);
  repaired++;
  CALL(10, page, 4096, 3);  // mprotect
}

int guest(void) {
  struct kernel_action action = {handler, 4 | 0x04000000, restore, 0}, plain = {0, 0x04000000, restore, 0};
  page = (char *)CALL6(sys_mmap, 0, 4096, 0, 0x22, -1, 0);
  CALL6(sys_rt_sigaction, 11, &action, 0, 8, 0, 0);
  *(volatile char *)(page + 8) = 'r';
  print_number("repaired ", repaired);
  CALL6(sys_rt_sigaction, 11, &plain, 0, 8, 0, 0);
  *(volatile char *)0x10 = 1;
  return 1;
}
