// shows: rdtsc and rdtscp run forwards; cpuid answers; the direction flag, fs and gs bases survive syscalls.
// build: static -O1 -static
#include <asm/prctl.h>
#include <cpuid.h>
#include "guest.h"

static uint64_t counter(void) {
  uint32_t low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
  return (uint64_t)high << 32 | low;
}

int main(void) {
  uint64_t last = counter();
  for (int i = 0; i < 100; i++) {
    uint64_t now = counter();
    CHECK(now >= last);
    last = now;
  }
  uint32_t low, high, processor;
  __asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(processor));
  CHECK(((uint64_t)high << 32 | low) >= last);
  guest_sleep_ms(20);
  CHECK(counter() > last);
  unsigned a, b, c, d;
  CHECK(__get_cpuid(1, &a, &b, &c, &d) && (d & bit_SSE2));
  unsigned long base = 0, value = 0x1122334455667788;
  OK(syscall(SYS_arch_prctl, ARCH_GET_FS, &base));
  CHECK(base != 0);
  OK(syscall(SYS_arch_prctl, ARCH_SET_GS, &value));
  unsigned long through_gs;
  __asm__ volatile("mov %%gs:0, %0" : "=r"(through_gs));
  CHECK(through_gs == value);
  OK(sched_yield());
  __asm__ volatile("mov %%gs:0, %0" : "=r"(through_gs));
  CHECK(through_gs == value);
  FAILS(syscall(SYS_arch_prctl, ARCH_SET_FS, 0xffff800000000000), EPERM);
  long rcx = 0, r11 = 0, rbx = 0x77, r12;
  __asm__ volatile("mov $0x99, %%r12\n mov $39, %%eax\n syscall\n mov %%r12, %[r12]"
                   : "=c"(rcx), "+b"(rbx), [r12] "=r"(r12)::"rax", "r11", "r12", "memory");
  (void)r11;
  CHECK(rcx != 0 && rbx == 0x77 && r12 == 0x99);
  return guest_done("special");
}
