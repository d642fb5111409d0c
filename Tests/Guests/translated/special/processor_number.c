// shows: rdpid, where cpuid offers it, sched_getcpu and getcpu name the same processor, one that the affinity allows.
// build: static -O1 -static
// build: dynamic -O1
#include <cpuid.h>
#include "guest.h"

int main(void) {
  unsigned a, b, c = 0, d, cpu, node;
  __get_cpuid_count(7, 0, &a, &b, &c, &d);
  int same = 0;
  for (int i = 0; i < 1000 && !same; i++) {
    uint64_t got = 0;
    int before = sched_getcpu();
    if (c >> 22 & 1) __asm__ volatile("rdpid %0" : "=r"(got));
    OK(syscall(SYS_getcpu, &cpu, &node, NULL));
    same = before == (int)cpu && (!(c >> 22 & 1) || got == (node << 12 | cpu));
  }
  CHECK(same);
  cpu_set_t set;
  OK(sched_getaffinity(0, sizeof set, &set));
  CHECK(CPU_ISSET(cpu, &set));
  return guest_done("processor_number");
}
