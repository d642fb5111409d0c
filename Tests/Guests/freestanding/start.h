// For guests without a C library: entry point, raw syscalls, tiny output. Their machine code is the same everywhere and uses
// nothing beyond baseline x86-64, so that golden traces of them replay on any CPU.
#ifndef START_H
#define START_H
typedef unsigned long word;

static inline long call6(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return result;
}
#define CALL(number, a, b, c) call6((number), (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define CALL6(number, a, b, c, d, e, f) call6((number), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

enum {
  sys_read = 0, sys_write = 1, sys_open = 2, sys_close = 3, sys_mmap = 9, sys_rt_sigaction = 13, sys_rt_sigreturn = 15, sys_pipe = 22,
  sys_sched_yield = 24, sys_nanosleep = 35, sys_getpid = 39, sys_clone = 56, sys_fork = 57, sys_exit = 60, sys_wait4 = 61, sys_kill = 62,
  sys_gettid = 186, sys_futex = 202, sys_clock_gettime = 228, sys_exit_group = 231, sys_getrandom = 318
};

static inline void print(const char *text) {
  word length = 0;
  while (text[length]) length++;
  CALL(sys_write, 1, text, length);
}
static inline void print_number(const char *before, long value) {
  char line[96];
  int used = 0;
  while (before[used]) { line[used] = before[used]; used++; }
  char digits[24];
  int count = 0;
  word rest = value < 0 ? (word)-value : (word)value;
  do { digits[count++] = (char)('0' + rest % 10); rest /= 10; } while (rest);
  if (value < 0) line[used++] = '-';
  while (count) line[used++] = digits[--count];
  line[used++] = '\n';
  CALL(sys_write, 1, line, used);
}
int guest(void);
__asm__(".globl _start\n_start: xor %ebp, %ebp\n and $-16, %rsp\n call guest\n mov %eax, %edi\n mov $231, %eax\n syscall\n hlt\n");
#endif
