// shows: rep string instructions that fault half way: rcx, rsi, rdi tell exactly how far they came; they go on when the page is given.
// build: static -O1 -static
#include "probe.h"

PROBE(move_bytes, BEFORE, "rep movsb")
PROBE(move_words, BEFORE, "rep movsq")
PROBE(store_bytes, BEFORE, "rep stosb")
PROBE(store_words, BEFORE, "rep stosl")
PROBE(load_bytes, BEFORE, "rep lodsb")
PROBE(compare_bytes, BEFORE, "repe cmpsb")
PROBE(scan_bytes, BEFORE, "repne scasb")

static unsigned char *source, *target;

/// Runs one with these registers; the fault must find what the arguments say.
static void half(const char *name, void (*run)(void), const void *at, const void *after, uint64_t rdi, uint64_t rsi, uint64_t rcx,
                 uint64_t rdi_then, uint64_t rsi_then, uint64_t rcx_then, uint64_t address) {
  probe_in[P_RDI] = rdi;
  probe_in[P_RSI] = rsi;
  probe_in[P_RCX] = rcx;
  probe_resume = (uint64_t)after;
  probe_change = 0;
  int before = probe_count;
  run();
  if (probe_count != before + 1) return probe_complain(name, "the number of signals", (uint64_t)(probe_count - before), 1);
  if (probe_info.si_signo != SIGSEGV) probe_complain(name, "the signal", (uint64_t)probe_info.si_signo, SIGSEGV);
  if ((uint64_t)probe_info.si_addr != address) probe_complain(name, "si_addr", (uint64_t)probe_info.si_addr, address);
  if (probe_seen[P_RIP] != (uint64_t)at) probe_complain(name, "rip", probe_seen[P_RIP], (uint64_t)at);
  if (probe_seen[P_RDI] != rdi_then) probe_complain(name, "rdi", probe_seen[P_RDI], rdi_then);
  if (probe_seen[P_RSI] != rsi_then) probe_complain(name, "rsi", probe_seen[P_RSI], rsi_then);
  if (probe_seen[P_RCX] != rcx_then) probe_complain(name, "rcx", probe_seen[P_RCX], rcx_then);
  if (probe_out[P_RCX] != rcx_then || probe_out[P_R11] != probe_in[P_R11]) probe_complain(name, "afterwards rcx or r11", probe_out[P_RCX], rcx_then);
}
#define HALF(probe, ...) half(#probe, probe, probe##_at, probe##_after, __VA_ARGS__)

static void give_page(int number, siginfo_t *info, void *context) {
  (void)number, (void)context;
  probe_count++;
  mprotect((void *)((uint64_t)info->si_addr & ~4095ul), 4096, PROT_READ | PROT_WRITE);
}

int main(void) {
  probe_install();
  source = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  target = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < 4 * 4096; i++) source[i] = (unsigned char)(i * 7 + 1) | 1;
  // Pages 1 and 2 of each are there, pages 0 and 3 are not.
  OK(mprotect(target, 4096, PROT_NONE));
  OK(mprotect(target + 3 * 4096, 4096, PROT_NONE));
  OK(mprotect(source, 4096, PROT_NONE));
  OK(mprotect(source + 3 * 4096, 4096, PROT_NONE));
  uint64_t s = (uint64_t)source, t = (uint64_t)target, end = t + 3 * 4096, source_end = s + 3 * 4096;
  for (uint64_t seed = 0; seed < 10; seed++) {
    probe_fill(seed);
    for (uint64_t room = 1; room < 5000; room = room * 3 + seed) {
      memset(target + 4096, 0, 8192);
      HALF(move_bytes, end - room, s + 4096, 7000, end, s + 4096 + room, 7000 - room, end);
      CHECK(memcmp((void *)(end - room), source + 4096, room) == 0);
      HALF(move_bytes, t + 4096, source_end - room, 6000, t + 4096 + room, source_end, 6000 - room, source_end);
      HALF(store_bytes, end - room, s, 7000, end, s, 7000 - room, end);
      HALF(load_bytes, t, source_end - room, 7000, t, source_end, 7000 - room, source_end);
      uint64_t words = room / 8 + 1;
      HALF(move_words, end - words * 8, s + 4096, 900, end, s + 4096 + words * 8, 900 - words, end);
      HALF(store_words, end - words * 4, s, 3000, end, s, 3000 - words, end);
      memcpy((void *)(end - room), source + 4096, room);
      HALF(compare_bytes, end - room, s + 4096, 7000, end, s + 4096 + room, 7000 - room, end);
      probe_in[P_RAX] = 0;
      HALF(scan_bytes, end - room, s, 7000, end, s, 7000 - room, end);
    }
    // Downwards.
    probe_in[P_FLAGS] |= 0x400;
    for (uint64_t room = 1; room < 4000; room = room * 3 + seed) {
      HALF(move_bytes, t + 4096 + room - 1, s + 3 * 4096 - 1, 5000, t + 4095, s + 3 * 4096 - 1 - room, 5000 - room, t + 4095);
      HALF(store_bytes, t + 4096 + room - 1, s, 5000, t + 4095, s, 5000 - room, t + 4095);
    }
  }
  // The handler gives the page; the instruction goes on where it was.
  struct sigaction action = {.sa_sigaction = give_page, .sa_flags = SA_SIGINFO};
  OK(sigaction(SIGSEGV, &action, NULL));
  OK(mprotect(source, 4 * 4096, PROT_READ));
  probe_count = 0;
  void *to = target, *from = source;
  size_t count = 4 * 4096;
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count)::"memory");
  CHECK(probe_count == 2 && count == 0 && to == target + 4 * 4096);
  CHECK(memcmp(source, target, 4 * 4096) == 0);
  return guest_done("strings");
}
