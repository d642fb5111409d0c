// shows: a fault while SIGSEGV is blocked, or with a handler on a bad stack, ends the guest by SIGSEGV at once.
// build: static -O1 -static
// signal: 11
#include "guest.h"
static void handler(int number) { (void)number; _exit(99); }
int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  signal(SIGSEGV, handler);
  pid_t child = OK(fork());
  if (child == 0) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    sigprocmask(SIG_BLOCK, &set, NULL);
    *(volatile int *)8 = 1;
    _exit(1);
  }
  CHECK(guest_wait(child) == SIGSEGV);
  child = OK(fork());
  if (child == 0) {
    __asm__ volatile("xor %%esp, %%esp\n movl $1, 0" ::: "memory");
    _exit(1);
  }
  CHECK(guest_wait(child) == SIGSEGV);
  if (guest_done("double_fault")) return 1;
  __asm__ volatile("mov $0x1000, %%rsp\n push %%rax" ::: "memory");
  return 0;
}
