// shows: each kind of fault in the middle of a block: exact rip, all registers and flags in the context; changes of them count.
// build: static -O1 -static
// build: pie -O1 -fPIE -pie
#include "probe.h"

enum { KERNEL = 0x80 };
PROBE(load_rbx, BEFORE, "mov (%rbx), %rcx")
PROBE(load_r11, BEFORE, "mov (%r11), %rax")
PROBE(load_r11_indexed, BEFORE, "mov 8(%r10,%r11,1), %r11")
PROBE(store_r11, BEFORE, "mov %r11, (%r10)")
PROBE(store_to_r11, BEFORE, "movb $5, (%r11)")
PROBE(add_to_r11, BEFORE, "addq $1, (%r11)")
PROBE(add_memory, BEFORE, "addq $1, (%rbx)")
PROBE(locked_add, BEFORE, "lock addq $1, (%r11)")
PROBE(exchange, BEFORE, "xchg %r11, (%rbx)")
PROBE(compare_exchange, BEFORE, "lock cmpxchg %r11, (%rbx)")
PROBE(compare_exchange_16, BEFORE, "lock cmpxchg16b (%r11)")
PROBE(push_memory, BEFORE, "push (%r11)")
PROBE(call_memory, BEFORE, "call *(%r11)")
PROBE(jump_memory, BEFORE, "jmp *(%rbx)")
PROBE(rip_relative, BEFORE, "mov -0x50000000(%rip), %r11")
PROBE(rip_relative_store, BEFORE, "mov %r11, -0x50000000(%rip)")
PROBE(rip_relative_add, BEFORE, "addq %r11, -0x50000000(%rip)")
PROBE(rip_relative_call, BEFORE, "call *-0x50000000(%rip)")
PROBE(vector_load, BEFORE, "movups (%r11), %xmm3")
PROBE(vector_unaligned, BEFORE, "movaps 1(%rsp), %xmm3")
PROBE(by_segment, BEFORE, "mov %fs:(%r11), %rax")
PROBE(not_canonical, BEFORE, "mov (%rbx), %rax")
PROBE(not_canonical_r11, BEFORE, "mov (%r11), %rax")
PROBE(divide_r11, BEFORE, "div %r11")
PROBE(divide_memory, BEFORE, "divl zero(%rip)")
PROBE(divide_signed, BEFORE, "idiv %rbx")
PROBE(undefined, BEFORE, "ud2")
PROBE(undefined_in_64, BEFORE, ".byte 0x06")
PROBE(privileged_hlt, BEFORE, "hlt")
PROBE(privileged_cli, BEFORE, "cli")
PROBE(privileged_in, BEFORE, "in %dx, %al")
PROBE(privileged_cr, BEFORE, "mov %cr0, %r11")
PROBE(privileged_wrmsr, BEFORE, "wrmsr")
PROBE(software_interrupt, BEFORE, "int $0x81")
PROBE(breakpoint, BEFORE, "int3")
PROBE(breakpoint_long, BEFORE, "int $3")
PROBE(debug_trap, BEFORE, ".byte 0xf1")
PROBE(read_only, BEFORE, "movb $1, (%r11)")
PROBE(read_only_add, BEFORE, "addl $1, (%r11)")
PROBE(read_only_locked, BEFORE, "lock xaddl %r10d, (%r11)")
PROBE(no_access, BEFORE, "mov (%r11), %eax")
PROBE(past_the_end, BEFORE, "mov (%r11), %eax")
PROBE(across_pages, BEFORE, "mov (%r11), %rax")
PROBE(pop_to_memory, BEFORE, "pop (%r11)")
PROBE(string_load, BEFORE, "lodsq")

const uint32_t zero = 0;

int main(void) {
  probe_install();
  unsigned char *pages = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  OK(mprotect(pages + 4096, 4096, PROT_READ));
  int file = OK(open("registers.file", O_RDWR | O_CREAT | O_TRUNC, 0600));
  OK(unlink("registers.file"));
  unsigned char *behind = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  unsigned char *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  OK(munmap(pages + 2 * 4096, 4096));
  void *bad = (void *)0x10008, *of_kernel = (void *)0xffff800000001000;

  for (uint64_t seed = 0; seed < 20; seed++) {
    probe_fill(seed);
#define WITH(set, ...) do { uint64_t kept[18]; memcpy(kept, probe_in, sizeof kept); set; __VA_ARGS__; memcpy(probe_in, kept, sizeof kept); } while (0)
#define SET(which, value) probe_in[P_##which] = (uint64_t)(value)
#define AT(probe, address) RUN(probe, SIGSEGV, SEGV_MAPERR, address, probe##_at)
    WITH(SET(RBX, bad), AT(load_rbx, bad); AT(add_memory, bad); AT(exchange, bad); AT(compare_exchange, bad); AT(jump_memory, bad));
    WITH(SET(R11, bad), AT(load_r11, bad); AT(store_to_r11, bad); AT(add_to_r11, bad); AT(locked_add, bad); AT(push_memory, bad); AT(call_memory, bad); AT(vector_load, bad));
    WITH(SET(R11, 0x10000), AT(compare_exchange_16, (void *)0x10000));
    WITH(SET(R10, bad), AT(store_r11, bad));
    WITH((SET(R11, 0x20000), SET(R10, 0x1000)), AT(load_r11_indexed, (void *)0x21008));
    AT(rip_relative, rip_relative_after - 0x50000000);
    AT(rip_relative_store, rip_relative_store_after - 0x50000000);
    AT(rip_relative_add, rip_relative_add_after - 0x50000000);
    AT(rip_relative_call, rip_relative_call_after - 0x50000000);
    RUN(vector_unaligned, SIGSEGV, KERNEL, NULL, vector_unaligned_at);
    WITH(SET(RBX, 0x8000000000000000), RUN(not_canonical, SIGSEGV, KERNEL, NULL, not_canonical_at));
    WITH(SET(R11, 0x7654000000000000), RUN(not_canonical_r11, SIGSEGV, KERNEL, NULL, not_canonical_r11_at));
    WITH(SET(R11, 0), RUN(divide_r11, SIGFPE, FPE_INTDIV, divide_r11_at, divide_r11_at));
    RUN(divide_memory, SIGFPE, FPE_INTDIV, divide_memory_at, divide_memory_at);
    WITH((SET(RAX, INT64_MIN), SET(RDX, -1), SET(RBX, -1)), RUN(divide_signed, SIGFPE, FPE_INTDIV, divide_signed_at, divide_signed_at));
    RUN(undefined, SIGILL, ILL_ILLOPN, undefined_at, undefined_at);
    RUN(undefined_in_64, SIGILL, ILL_ILLOPN, undefined_in_64_at, undefined_in_64_at);
    RUN(privileged_hlt, SIGSEGV, KERNEL, NULL, privileged_hlt_at);
    RUN(privileged_cli, SIGSEGV, KERNEL, NULL, privileged_cli_at);
    RUN(privileged_in, SIGSEGV, KERNEL, NULL, privileged_in_at);
    RUN(privileged_cr, SIGSEGV, KERNEL, NULL, privileged_cr_at);
    RUN(privileged_wrmsr, SIGSEGV, KERNEL, NULL, privileged_wrmsr_at);
    RUN(software_interrupt, SIGSEGV, KERNEL, NULL, software_interrupt_at);
    RUN(breakpoint, SIGTRAP, KERNEL, NULL, breakpoint_after);
    RUN(breakpoint_long, SIGTRAP, KERNEL, NULL, breakpoint_long_after);
    RUN(debug_trap, SIGTRAP, TRAP_BRKPT, PROBE_ANY, PROBE_ANY);
    // A trap, so behind it; some hypervisors say that it was at the instruction.
    CHECK(probe_seen[P_RIP] == (uint64_t)debug_trap_after || probe_seen[P_RIP] == (uint64_t)debug_trap_at);
    unsigned char *fixed = pages + 4096 + 8;
    WITH(SET(R11, fixed), RUN(read_only, SIGSEGV, SEGV_ACCERR, fixed, read_only_at); RUN(read_only_add, SIGSEGV, SEGV_ACCERR, fixed, read_only_add_at);
         RUN(read_only_locked, SIGSEGV, SEGV_ACCERR, fixed, read_only_locked_at); RUN(pop_to_memory, SIGSEGV, SEGV_ACCERR, fixed, pop_to_memory_at));
    WITH(SET(R11, none), RUN(no_access, SIGSEGV, SEGV_ACCERR, none, no_access_at));
    WITH(SET(R11, behind + 16), RUN(past_the_end, SIGBUS, BUS_ADRERR, behind + 16, past_the_end_at));
    unsigned char *edge = pages + 2 * 4096 - 3;
    WITH(SET(R11, edge), RUN(across_pages, SIGSEGV, SEGV_MAPERR, pages + 2 * 4096, across_pages_at));
    WITH(SET(RSI, bad), AT(string_load, bad));
    WITH(SET(R11, -(1l << 40)), AT(by_segment, PROBE_ANY));
    WITH(SET(RBX, of_kernel), AT(load_rbx, of_kernel); AT(jump_memory, of_kernel));
  }
  CHECK(pages[8] == 0);
  return guest_done("registers");
}
