// shows: siginfo of every kind of sender and fault; what a handler changes in its ucontext holds after it returns.
// build: static -O1 -pthread -static -fno-stack-protector
#include <ucontext.h>
#include "guest.h"

static siginfo_t info;
static sigset_t frame_mask, handler_mask;
static greg_t trap_number, skip;
static stack_t frame_stack;
static void handler(int number, siginfo_t *given, void *context) {
  ucontext_t *uc = context;
  info = *given;
  frame_mask = uc->uc_sigmask;
  frame_stack = uc->uc_stack;
  sigprocmask(SIG_SETMASK, NULL, &handler_mask);
  trap_number = uc->uc_mcontext.gregs[REG_TRAPNO];
  uc->uc_mcontext.gregs[REG_RIP] += skip;
  if (number == SIGUSR2) {
    uc->uc_mcontext.gregs[REG_RBX] = 0x1234567;
    sigaddset(&uc->uc_sigmask, SIGWINCH);
    uint32_t *xmm7 = uc->uc_mcontext.fpregs->_xmm[7].element;
    xmm7[0] = 77;
  }
}
static void fault_expected(int number, int code, void *address, greg_t trap) {
  CHECK(info.si_signo == number && info.si_code == code && info.si_addr == address);
  CHECK(trap_number == trap);
}
static sigjmp_buf back;
static siginfo_t jump_info;
static void jumper(int number, siginfo_t *given, void *context) {
  (void)number, (void)context;
  jump_info = *given;
  siglongjmp(back, 1);
}

static void *in_thread(void *argument) {
  OK(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1));
  CHECK(frame_stack.ss_flags == SS_DISABLE && frame_stack.ss_size == 0);
  return argument;
}

int main(void) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  sigaddset(&action.sa_mask, SIGTERM);
  int numbers[] = {SIGUSR1, SIGUSR2, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGRTMIN + 2};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) OK(sigaction(numbers[i], &action, NULL));

  OK(kill(getpid(), SIGUSR1));
  CHECK(info.si_code == SI_USER && info.si_pid == getpid() && info.si_uid == getuid());
  CHECK(sigismember(&handler_mask, SIGTERM) == 1 && sigismember(&handler_mask, SIGUSR1) == 1);
  CHECK(sigismember(&frame_mask, SIGTERM) == 0 && frame_stack.ss_flags == 0 && frame_stack.ss_size == 0);
  OK(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1));
  CHECK(info.si_code == SI_TKILL && info.si_pid == getpid());
  OK(sigqueue(getpid(), SIGRTMIN + 2, (union sigval){.sival_int = 4711}));
  CHECK(info.si_code == SI_QUEUE && info.si_value.sival_int == 4711 && info.si_uid == getuid());

  pthread_t thread;
  ZERO(pthread_create(&thread, NULL, in_thread, NULL));
  ZERO(pthread_join(thread, NULL));

  uint32_t out[4] = {0};
  long rbx;
  __asm__ volatile(
      "xorps %%xmm7, %%xmm7\n mov $62, %%eax\n mov %[pid], %%edi\n mov $12, %%esi\n syscall\n movups %%xmm7, %[out]\n"
      : "=b"(rbx), [out] "=m"(out)
      : [pid] "r"(getpid())
      : "rax", "rcx", "r11", "rdi", "rsi", "xmm7", "memory");
  CHECK(rbx == 0x1234567 && out[0] == 77);
  sigset_t mask;
  sigprocmask(SIG_SETMASK, NULL, &mask);
  CHECK(sigismember(&mask, SIGWINCH) == 1 && sigismember(&mask, SIGUSR2) == 0);

  skip = 2;  // the length of `mov (%rax), %ebx` and of `idiv %ecx`
  __asm__ volatile("mov (%%rax), %%ebx" : : "a"(0x1230L) : "rbx", "memory");
  fault_expected(SIGSEGV, SEGV_MAPERR, (void *)0x1230, 14);
  char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  __asm__ volatile("mov %%ebx, (%%rax)" : : "a"(page) : "memory");
  fault_expected(SIGSEGV, SEGV_ACCERR, page, 14);
  __asm__ volatile("1: idiv %%ecx" : : "a"(1), "d"(0), "c"(0));
  CHECK(info.si_signo == SIGFPE && info.si_code == FPE_INTDIV && trap_number == 0);
  __asm__ volatile("ud2");
  CHECK(info.si_signo == SIGILL && info.si_code == ILL_ILLOPN && trap_number == 6);
  __asm__ volatile("mov (%%rax), %%ebx" : : "a"(0x8000000000000000UL) : "rbx", "memory");
  CHECK(info.si_signo == SIGSEGV && info.si_code == SI_KERNEL && info.si_addr == NULL && trap_number == 13);
  skip = 0;
  __asm__ volatile("int3");
  CHECK(info.si_signo == SIGTRAP && trap_number == 3);

  int file = OK(open("contexts.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600));
  char *mapped = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  struct sigaction jumps = {.sa_sigaction = jumper, .sa_flags = SA_SIGINFO | SA_NODEFER};
  OK(sigaction(SIGBUS, &jumps, NULL));
  if (!sigsetjmp(back, 1)) *(volatile char *)(mapped + 4096) = 1;
  CHECK(jump_info.si_signo == SIGBUS && jump_info.si_code == BUS_ADRERR && jump_info.si_addr == mapped + 4096);
  unlink("contexts.tmp");
  return guest_done("contexts");
}
