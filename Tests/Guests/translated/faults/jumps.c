// shows: jumps, calls and returns to NULL, to unmapped memory, a data page, the kernel's half and no canonical address: rip and si_addr.
// build: static -O1 -static
#include "probe.h"

enum { KERNEL = 0x80 };
uint64_t wild;
PROBE(jump_register, BEFORE, "jmp *%rbx")
PROBE(jump_r11, BEFORE, "jmp *%r11")
PROBE(jump_memory, BEFORE, "jmp *wild(%rip)")
PROBE(call_register, BEFORE, "call *%rbx")
PROBE(call_r11, BEFORE, "call *%r11")
PROBE(call_memory, BEFORE, "call *wild(%rip)")
PROBE(return_to, BEFORE, "push wild(%rip)\n ret")
PROBE(return_counted, BEFORE "sub $32, %rsp\n", "push wild(%rip)\n ret $32")

// The flags that the probe has at its jump: sub before return_counted changes them, so they are not compared there.
static void check(const char *name, void (*run)(void), const void *at, const void *after, uint64_t place, int code, int is_call) {
  uint64_t rbx = probe_in[P_RBX], r11 = probe_in[P_R11];
  wild = probe_in[P_RBX] = probe_in[P_R11] = place;
  probe_resume = (uint64_t)after;
  probe_change = 0;
  int before = probe_count;
  run();
  if (probe_count != before + 1) return probe_complain(name, "the number of signals", (uint64_t)(probe_count - before), 1);
  if (probe_info.si_signo != SIGSEGV) probe_complain(name, "the signal", (uint64_t)probe_info.si_signo, SIGSEGV);
  if (probe_info.si_code != code) probe_complain(name, "si_code", (uint64_t)probe_info.si_code, (uint64_t)code);
  if (code == KERNEL) {
    // Processors differ: the fault is at the instruction or at its target.
    (void)at;
    if (probe_info.si_addr != NULL) probe_complain(name, "si_addr", (uint64_t)probe_info.si_addr, 0);
  } else {
    if (probe_seen[P_RIP] != place) probe_complain(name, "rip", probe_seen[P_RIP], place);
    if ((uint64_t)probe_info.si_addr != place) probe_complain(name, "si_addr", (uint64_t)probe_info.si_addr, place);
    if (is_call && probe_top != (uint64_t)after) probe_complain(name, "the return address", probe_top, (uint64_t)after);
    if (probe_seen[P_RSP] != probe_saved_rsp - (is_call ? 8 : 0)) probe_complain(name, "rsp", probe_seen[P_RSP], probe_saved_rsp);
  }
  for (int i = 0; i < P_GENERAL; i++)
    if (probe_seen[i] != probe_in[i] || probe_out[i] != probe_in[i]) probe_complain(name, "a register", probe_seen[i], probe_in[i]);
  if (run != return_counted && ((probe_seen[P_FLAGS] ^ probe_in[P_FLAGS]) & STATUS_FLAGS)) probe_complain(name, "flags", probe_seen[P_FLAGS], probe_in[P_FLAGS]);
  probe_in[P_RBX] = rbx;
  probe_in[P_R11] = r11;
}
#define GO(probe, place, code, is_call) check(#probe, probe, probe##_at, probe##_after, (uint64_t)(place), code, is_call)

static void all(const void *place, int code) {
  GO(jump_register, place, code, 0);
  GO(jump_r11, place, code, 0);
  GO(jump_memory, place, code, 0);
  GO(call_register, place, code, 1);
  GO(call_r11, place, code, 1);
  GO(call_memory, place, code, 1);
  GO(return_to, place, code, 0);
  GO(return_counted, place, code, 0);
}

/// Code that runs over the end of its page: the last instruction is cut off, or there is none.
static void off_the_end(unsigned char *page, int length, const char *bytes, int before_end, uint64_t rip, uint64_t address, int code) {
  unsigned char *start = page + 4096 - before_end;
  memcpy(start, bytes, (size_t)length);
  probe_resume = (uint64_t)jump_register_after;
  probe_change = 0;
  uint64_t rbx = probe_in[P_RBX];
  probe_in[P_RBX] = (uint64_t)start;
  int before = probe_count;
  jump_register();
  CHECK(probe_count == before + 1 && probe_info.si_signo == SIGSEGV && probe_info.si_code == code);
  if (probe_seen[P_RIP] != rip) probe_complain("off_the_end", "rip", probe_seen[P_RIP], rip);
  if ((uint64_t)probe_info.si_addr != address) probe_complain("off_the_end", "si_addr", (uint64_t)probe_info.si_addr, address);
  probe_in[P_RBX] = rbx;
}

int main(void) {
  probe_install();
  probe_reads_top = 1;
  unsigned char *page = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  unsigned char *data = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  unsigned char *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(data, 0xc3, 4096);
  for (uint64_t seed = 0; seed < 10; seed++) {
    probe_fill(seed);
    all(NULL, SEGV_MAPERR);
    all((void *)0x10001, SEGV_MAPERR);
    all((void *)0x5a5a5a5a5a5, SEGV_MAPERR);
    all(data + 100, SEGV_ACCERR);
    all(none, SEGV_ACCERR);
    all((void *)0xffff900000000000, SEGV_MAPERR);
    all((void *)0x1234567800000000, KERNEL);
  }
  // nop; then nothing. And 5 of the 10 bytes of `mov $imm64, %r11`.
  uint64_t second = (uint64_t)page + 4096;
  OK(mprotect(page + 4096, 4096, PROT_READ | PROT_WRITE));
  off_the_end(page, 1, "\x90", 1, second, second, SEGV_ACCERR);
  off_the_end(page, 5, "\x49\xbb\x01\x02\x03", 5, second - 5, second, SEGV_ACCERR);
  OK(munmap(page + 4096, 4096));
  off_the_end(page, 1, "\x90", 1, second, second, SEGV_MAPERR);
  off_the_end(page, 6, "\x90\x49\xbb\x01\x02\x03", 6, second - 5, second, SEGV_MAPERR);
  return guest_done("jumps");
}
