// shows: mappings that grow in place and move in a forked child, many mappings up to the limit, the heap, the stack's end.
// build: static -O1 -static
#include "guest.h"

static volatile sig_atomic_t faults;
static sigjmp_buf back;

static void on_fault(int signal_number) {
  (void)signal_number;
  faults++;
  siglongjmp(back, 1);
}

static int deep(int n) {
  volatile char block[4096];
  block[0] = (char)n;
  return n > 0 ? deep(n - 1) + block[0] : 0;
}

static void grow(char *p) {
  // Pages that fork shares and new ones are one mapping for the guest.
  p = mremap(p, 1 << 20, 2 << 20, MREMAP_MAYMOVE);
  CHECK(p != MAP_FAILED && p[0] == 1 && p[(1 << 20) - 1] == 1 && p[1 << 20] == 0);
  p[(2 << 20) - 1] = 3;
  p = mremap(p, 2 << 20, 32 << 20, MREMAP_MAYMOVE);
  CHECK(p != MAP_FAILED && p[0] == 1 && p[(2 << 20) - 1] == 3 && p[(32 << 20) - 1] == 0);
  OK(munmap(p + (1 << 20), 31 << 20));
  p = mremap(p, 1 << 20, 3 << 20, 0);
  CHECK(p != MAP_FAILED && p[0] == 1 && p[1 << 20] == 0);
}

int main(void) {
  char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(p != MAP_FAILED);
  memset(p, 1, 1 << 20);
  pid_t child = OK(fork());
  if (child == 0) {
    grow(p);
    _exit(0);
  }
  CHECK(guest_wait(child) == 0);
  CHECK(p[0] == 1);
  grow(p);

  char *heap = sbrk(0);
  CHECK(sbrk(1 << 22) == heap);
  heap[(1 << 22) - 1] = 1;
  CHECK(sbrk(-(1 << 22)) == heap + (1 << 22));
  CHECK(sbrk(0) == heap);

  // Alternating protections make every page a mapping of its own.
  char *area = mmap(NULL, 1UL << 40, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK(area != MAP_FAILED);
  int made = 0;
  while (made < 40000 && mprotect(area + made * 8192L, 4096, PROT_READ | PROT_WRITE) == 0) made++;
  CHECK(made > 30000 && made < 40000 && errno == ENOMEM);
  area[0] = 1;
  OK(munmap(area, 1UL << 40));

  static char alternate_stack[1 << 16];
  stack_t alternate = {.ss_sp = alternate_stack, .ss_size = sizeof alternate_stack};
  OK(sigaltstack(&alternate, NULL));
  struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_ONSTACK};
  OK(sigaction(SIGSEGV, &action, NULL));
  if (sigsetjmp(back, 1) == 0) deep(1 << 24);
  CHECK(faults == 1);
  return guest_done("growth");
}
