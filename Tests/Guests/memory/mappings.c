// shows: mmap: anonymous, hints, fixed, no-replace, splitting and merging by munmap, huge and zero sizes, errors.
// build: static -O1 -static
#include "guest.h"

static sigjmp_buf back;
static void on_fault(int number) { (void)number; siglongjmp(back, 1); }
static int readable(const volatile char *at) {
  if (sigsetjmp(back, 1)) return 0;
  (void)*at;
  return 1;
}

int main(void) {
  signal(SIGSEGV, on_fault);
  const size_t page = 4096;
  char *area = mmap(NULL, 10 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(area != MAP_FAILED);
  for (size_t i = 0; i < 10 * page; i += page) CHECK(area[i] == 0);
  memset(area, 'a', 10 * page);
  OK(munmap(area + 3 * page, 2 * page));
  CHECK(readable(area + 2 * page) && !readable(area + 3 * page) && !readable(area + 5 * page - 1) && readable(area + 5 * page));
  char *again = mmap(area + 3 * page, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  CHECK(again == area + 3 * page && again[0] == 0);
  again = mmap(area + page, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  CHECK(again[0] == 0 && area[0] == 'a' && area[2 * page] == 'a');
  FAILS(mmap(area, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
  again = mmap(area, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);  // only a hint
  CHECK(again != MAP_FAILED && again != area);
  FAILS(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), EINVAL);
  FAILS(mmap(NULL, page, PROT_READ, MAP_ANONYMOUS, -1, 0), EINVAL);
  FAILS(mmap((void *)(page + 1), page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), EINVAL);
  FAILS(mmap(NULL, page, PROT_READ, MAP_PRIVATE, 77, 0), EBADF);
  FAILS(mmap(NULL, 1UL << 47, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), ENOMEM);
  FAILS(munmap(area + 1, page), EINVAL);
  OK(munmap(area, 10 * page));
  OK(munmap(area, 10 * page));
  CHECK(!readable(area));
  char *huge = mmap(NULL, 1UL << 36, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK(huge != MAP_FAILED);
  if (huge != MAP_FAILED) {
    huge[0] = huge[(1UL << 35) + 5] = huge[(1UL << 36) - 1] = 1;
    CHECK(huge[page] == 0);
    OK(munmap(huge, 1UL << 36));
  }
  char *grows = mmap(NULL, 16 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  CHECK(grows != MAP_FAILED && grows[15 * page] == 0);
  for (int i = 0; i < 2000; i++) {
    char *one = mmap(NULL, page * (size_t)(1 + i % 7), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (one == MAP_FAILED) guest_fail(__FILE__, __LINE__, "mmap");
    one[0] = 1;
    OK(munmap(one, page * (size_t)(1 + i % 7)));
  }
  char *low = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  CHECK(low != MAP_FAILED && (uintptr_t)low < 1UL << 32);
  return guest_done("mappings");
}
