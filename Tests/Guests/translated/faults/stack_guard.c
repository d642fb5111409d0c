// shows: push, call, pop, ret, leave and enter that fault at the edge of a stack: rip at the instruction, rsp and registers as before.
// build: static -O1 -static
#include "probe.h"

// rsp is the edge only for the instruction itself: it comes from memory just before.
#define AT_EDGE BEFORE "mov edge(%rip), %rsp\n"
uint64_t edge, code_pointer;
PROBE(push_r11, AT_EDGE, "push %r11")
PROBE(push_immediate, AT_EDGE, "push $5")
PROBE(push_memory, AT_EDGE, "push probe_in(%rip)")
PROBE(push_flags, AT_EDGE, "pushfq")
PROBE(call_direct, AT_EDGE, "call main")
PROBE(call_memory, AT_EDGE, "call *code_pointer(%rip)")
PROBE(call_r11, AT_EDGE, "call *%r11")
PROBE(call_rax, AT_EDGE, "call *%rax")
PROBE(pop_r11, AT_EDGE, "pop %r11")
PROBE(pop_flags, AT_EDGE, "popfq")
PROBE(pop_memory, AT_EDGE, "pop probe_out(%rip)")
PROBE(return_plain, AT_EDGE, "ret")
PROBE(return_counted, AT_EDGE, "ret $16")
PROBE(leave_frame, AT_EDGE, "leave")

int main(int count, char **arguments) {
  (void)arguments;
  if (count > 100) return 1;
  probe_install();
  unsigned char *pages = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  OK(mprotect(pages, 4096, PROT_NONE));
  OK(mprotect(pages + 2 * 4096, 4096, PROT_NONE));
  code_pointer = (uint64_t)main;
#define DOWN(probe) RUN(probe, SIGSEGV, SEGV_ACCERR, (void *)(edge - 8), probe##_at); CHECK(probe_seen[P_RSP] == edge)
#define UP(probe) RUN(probe, SIGSEGV, SEGV_ACCERR, (void *)edge, probe##_at); CHECK(probe_seen[P_RSP] == edge)
  for (uint64_t seed = 0; seed < 20; seed++) {
    probe_fill(seed);
    edge = (uint64_t)pages + 4096;
    DOWN(push_r11);
    DOWN(push_immediate);
    DOWN(push_memory);
    DOWN(push_flags);
    DOWN(call_direct);
    DOWN(call_memory);
    uint64_t kept = probe_in[P_R11];
    probe_in[P_R11] = (uint64_t)main;
    DOWN(call_r11);
    probe_in[P_R11] = kept;
    kept = probe_in[P_RAX];
    probe_in[P_RAX] = (uint64_t)main;
    DOWN(call_rax);
    probe_in[P_RAX] = kept;
    edge = (uint64_t)pages + 2 * 4096;
    UP(pop_r11);
    UP(pop_flags);
    UP(pop_memory);
    UP(return_plain);
    UP(return_counted);
    kept = probe_in[P_RBP];
    probe_in[P_RBP] = edge;
    UP(leave_frame);
    probe_in[P_RBP] = kept;
  }
  for (int i = 4096; i < 8192; i++) CHECK(pages[i] == 0);
  return guest_done("stack_guard");
}
