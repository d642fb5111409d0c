// The floor under the direct engine: a bare loop of PTRACE_SYSEMU stop, GETREGS and SETREGS (or POKEUSER of rax, or
// nothing) with tracer and tracee on one processor and the time stamp counter trapped in both. Prints microseconds a stop.
//   cc -O2 -o floor floor.c && ./floor [stops]
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_us(void) {
  struct timespec time;
  syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

enum mode { BARE, FULL, POKE, MODES };
static const char *const names[] = {"stop alone", "get and set registers", "get registers, poke rax"};

static double batch(pid_t child, enum mode mode, int stops) {
  struct user_regs_struct registers;
  ptrace(PTRACE_GETREGS, child, 0, &registers);
  double start = now_us();
  for (int i = 0; i < stops; i++) {
    int status;
    if (mode == FULL) {
      registers.orig_rax = -1;
      registers.rax = i;
      ptrace(PTRACE_SETREGS, child, 0, &registers);
    } else if (mode == POKE) {
      ptrace(PTRACE_POKEUSER, child, offsetof(struct user_regs_struct, rax), (long)i);
    }
    if (ptrace(PTRACE_SYSEMU, child, 0, 0) < 0 || waitpid(child, &status, __WALL | __WNOTHREAD) != child) exit(1);
    if (mode != BARE) ptrace(PTRACE_GETREGS, child, 0, &registers);
  }
  return (now_us() - start) / stops;
}

int main(int count, char **arguments) {
  int stops = count > 1 ? atoi(arguments[1]) : 20000;
  enum { BATCHES = 21 };
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(sched_getcpu(), &set);
  sched_setaffinity(0, sizeof set, &set);
  prctl(PR_SET_TSC, PR_TSC_SIGSEGV);
  pid_t child = fork();
  if (child == 0) {
    for (;;) __asm__ volatile("syscall" : : "a"(SYS_getppid) : "rcx", "r11", "memory");
  }
  int status;
  if (ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD) < 0) return perror("ptrace"), 1;
  ptrace(PTRACE_INTERRUPT, child, 0, 0);
  waitpid(child, &status, __WALL);
  double result[MODES][BATCHES];
  batch(child, BARE, 100);
  for (int i = 0; i < BATCHES; i++)
    for (int mode = 0; mode < MODES; mode++) result[mode][i] = batch(child, mode, stops / BATCHES);
  kill(child, SIGKILL);
  for (int mode = 0; mode < MODES; mode++) {
    qsort(result[mode], BATCHES, sizeof(double), compare);
    printf("%-24s %6.2f us median, %6.2f least\n", names[mode], result[mode][BATCHES / 2], result[mode][0]);
  }
  return 0;
}
