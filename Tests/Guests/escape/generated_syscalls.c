// shows: syscall, sysenter and vsyscall from generated code: emulated or refused, never the host's.
// oracle: skip
// build: static -O1 -static
// native: skip
// host-absent: ESCAPED
#include "escape.h"

static long call(unsigned char *code, long number, long first, long second, long third) {
  long result;
  register long rdx __asm__("rdx") = third;
  __asm__ volatile("call *%[code]" : "=a"(result), "+r"(rdx) : "a"(number), "D"(first), "S"(second), [code] "r"(code) : "rcx", "r11", "memory");
  return result;
}

int main(void) {
  escape_catch();
  unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(code, "\x0f\x05\xc3", 3);  // syscall; ret
  CHECK(call(code, SYS_getpid, 0, 0, 0) == getpid());
  long fd = call(code, SYS_open, (long)"ESCAPED", O_CREAT | O_WRONLY, 0666);
  CHECK(fd >= 0 || fd == -EACCES);
  memcpy(code, "\x0f\x34\xc3", 3);  // sysenter; ret
  volatile long value = -1;
  int met = ESCAPE(value = call(code, 20, 0, 0, 0));
  CHECK(met != 0 || value < 0 || value == getpid());
  for (long offset = 0; offset <= 0x800; offset += 0x400) {
    long (*vsyscall)(void *, void *) = (long (*)(void *, void *))(0xffffffffff600000 + offset);
    struct timeval now = {0};
    value = -1;
    met = ESCAPE(value = vsyscall(&now, NULL));
    if (met == 0 && offset == 0x400) {
      long emulated = syscall(SYS_time, NULL);
      CHECK(value >= emulated - 2 && value <= emulated + 2);
    }
  }
  // A guest that looks for the code that the sandbox keeps in its address space and jumps into it.
  for (uint64_t at = 0x7ffffff00000; at < 0x7ffffffff000; at += 0x1000) {
    volatile unsigned char first = 0;
    if (ESCAPE(first = *(volatile unsigned char *)at) != 0) continue;
    for (int i = 0; i < 4094; i++) {
      volatile unsigned char *bytes = (volatile unsigned char *)at + i;
      if (bytes[0] != 0x0f || bytes[1] != 0x05) continue;
      value = 0;
      pid_t child = fork();
      if (child == 0) {
        alarm(5);  // what lies behind the instruction may wait for ever
        met = ESCAPE(value = call((unsigned char *)bytes, SYS_open, (long)"ESCAPED", O_CREAT | O_WRONLY, 0666));
        _exit(0);
      }
      guest_wait(child);
    }
    (void)first;
  }
  return guest_done("generated_syscalls");
}
