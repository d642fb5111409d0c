// shows: mprotect with a fault handler that repairs, mremap growing, shrinking and moving, madvise, brk, mincore, mlock, guard pages.
// build: static -O1 -static
#include "guest.h"

static char *area;
static int repaired;
static void repair(int number, siginfo_t *info, void *context) {
  (void)number, (void)context;
  char *at = (char *)((uintptr_t)info->si_addr & ~4095UL);
  if (at < area || at >= area + 16 * 4096 || info->si_code != SEGV_ACCERR) _exit(98);
  repaired++;
  mprotect(at, 4096, PROT_READ | PROT_WRITE);
}

int main(void) {
  const size_t page = 4096;
  struct sigaction action = {.sa_sigaction = repair, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &action, NULL);
  area = mmap(NULL, 16 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < 16; i++) area[(size_t)i * page + 7] = (char)i;
  CHECK(repaired == 16);
  OK(mprotect(area, 16 * page, PROT_READ));
  for (int i = 0; i < 16; i += 2) area[(size_t)i * page] = 1;
  CHECK(repaired == 24);
  for (int i = 0; i < 16; i++) CHECK(area[(size_t)i * page + 7] == (char)i);
  FAILS(mprotect(area + 1, page, PROT_READ), EINVAL);
  FAILS(mprotect((void *)0x10000, page, PROT_READ), ENOMEM);

  char *moving = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(moving, "kept", 5);
  char *larger = mremap(moving, 2 * page, 200 * page, MREMAP_MAYMOVE);
  CHECK(larger != MAP_FAILED && strcmp(larger, "kept") == 0 && larger[199 * page] == 0);
  char *smaller = mremap(larger, 200 * page, page, 0);
  CHECK(smaller == larger && strcmp(smaller, "kept") == 0);
  char *place = mmap(NULL, 4 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char *fixed = mremap(smaller, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, place + page);
  CHECK(fixed == place + page && strcmp(fixed, "kept") == 0);
  char *blocked = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  FAILS(mremap(blocked, page, 100 * page, 0), ENOMEM);
  FAILS(mremap((void *)0x10000, page, 2 * page, MREMAP_MAYMOVE), EFAULT);

  blocked[0] = 'x';
  OK(madvise(blocked, page, MADV_DONTNEED));
  CHECK(blocked[0] == 0);
  OK(madvise(blocked, page, MADV_WILLNEED));
  OK(madvise(blocked, 2 * page, MADV_FREE));
  FAILS(madvise(blocked, page, 12345), EINVAL);
  FAILS(madvise(blocked + 1, page, MADV_DONTNEED), EINVAL);
  unsigned char resident[2];
  blocked[0] = 1;
  OK(mincore(blocked, 2 * page, resident));
  CHECK(resident[0] & 1);
  OK(mlock(blocked, page));
  OK(munlock(blocked, page));

  char *end = sbrk(0);
  CHECK(sbrk(3 * (intptr_t)page) == end);
  memset(end, 'b', 3 * page);
  OK(brk(end + page));
  CHECK(end[page - 1] == 'b');
  CHECK(sbrk((intptr_t)page) == end + page);
  CHECK(end[page] == 0);  // what shrinks and grows again comes back zeroed
  CHECK(syscall(SYS_brk, 0) == (long)(end + 2 * page));
  char *volatile blocks[200];
  for (int i = 0; i < 200; i++) {
    blocks[i] = malloc((size_t)(i + 1) * 3000);
    memset(blocks[i], i, (size_t)(i + 1) * 3000);
  }
  for (int i = 0; i < 200; i++) {
    CHECK(blocks[i][(i + 1) * 3000 - 1] == (char)i);
    free(blocks[i]);
  }
  return guest_done("protect_remap");
}
