// shows: siginfo of kill, sigqueue, tgkill, SIGFPE, SIGSEGV, SIGILL, SIGTRAP, SIGCHLD; handlers may longjmp out.
// build: static -O1 -static
#include "guest.h"

static volatile siginfo_t last;
static volatile int calls;
static sigjmp_buf back;

static void note(int number, siginfo_t *info, void *context) {
  (void)context;
  CHECK(number == info->si_signo);
  last = *info;
  calls++;
}
static void jump(int number, siginfo_t *info, void *context) {
  note(number, info, context);
  siglongjmp(back, 1);
}
static void install(int number, void (*handler)(int, siginfo_t *, void *)) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  OK(sigaction(number, &action, NULL));
}

int main(void) {
  install(SIGUSR1, note);
  OK(kill(getpid(), SIGUSR1));
  CHECK(calls == 1 && last.si_code == SI_USER && last.si_pid == getpid() && last.si_uid == getuid());
  OK(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 4711}));
  CHECK(calls == 2 && last.si_code == SI_QUEUE && last.si_value.sival_int == 4711);
  OK(syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1));
  CHECK(calls == 3 && last.si_code == SI_TKILL);
  FAILS(syscall(SYS_tgkill, getpid(), 999999, SIGUSR1), ESRCH);
  FAILS(kill(getpid(), 65), EINVAL);

  install(SIGSEGV, jump);
  install(SIGFPE, jump);
  install(SIGILL, jump);
  install(SIGTRAP, note);
  if (!sigsetjmp(back, 1)) *(volatile int *)24 = 1;
  CHECK(last.si_signo == SIGSEGV && last.si_code == SEGV_MAPERR && last.si_addr == (void *)24);
  char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (!sigsetjmp(back, 1)) *(volatile char *)(page + 8) = 1;
  CHECK(last.si_code == SEGV_ACCERR && last.si_addr == page + 8);
  if (!sigsetjmp(back, 1)) {
    int zero = 0;
    __asm__ volatile("xor %%edx, %%edx\n mov $1, %%eax\n idivl %0" ::"r"(zero) : "eax", "edx");
  }
  CHECK(last.si_signo == SIGFPE && last.si_code == FPE_INTDIV);
  if (!sigsetjmp(back, 1)) __asm__ volatile("ud2");
  CHECK(last.si_signo == SIGILL && last.si_code == ILL_ILLOPN);
  __asm__ volatile("int3");
  CHECK(last.si_signo == SIGTRAP);
  if (!sigsetjmp(back, 1)) __asm__ volatile("hlt");
  CHECK(last.si_signo == SIGSEGV && last.si_code == SI_KERNEL);
  if (!sigsetjmp(back, 1)) {
    volatile uint64_t *wild = (uint64_t *)0x8000000000000000;
    *wild = 1;
  }
  CHECK(last.si_signo == SIGSEGV && last.si_code == SI_KERNEL && last.si_addr == NULL);

  install(SIGBUS, jump);
  int file = OK(open("handlers-file", O_CREAT | O_RDWR | O_TRUNC, 0600));
  OK(ftruncate(file, 4096));
  char *mapped = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (!sigsetjmp(back, 1)) mapped[4096] = 1;
  CHECK(last.si_signo == SIGBUS && last.si_code == BUS_ADRERR && last.si_addr == mapped + 4096);
  unlink("handlers-file");

  install(SIGCHLD, note);
  pid_t child = OK(fork());
  if (child == 0) _exit(14);
  while (waitpid(child, NULL, 0) == -1 && errno == EINTR) {}
  CHECK(last.si_signo == SIGCHLD && last.si_code == CLD_EXITED && last.si_status == 14 && last.si_pid == child);
  return guest_done("handlers");
}
