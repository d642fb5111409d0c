// shows: code written at run time and changed again executes as last written; mprotect W^X; shared executable page.
// build: static -O1 -static
#include "guest.h"

typedef int (*function)(void);

static void emit(unsigned char *at, int value) {
  at[0] = 0xb8;  // mov eax, value; ret
  memcpy(at + 1, &value, 4);
  at[5] = 0xc3;
}

int main(void) {
  unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int sum = 0;
  for (int i = 0; i < 100; i++) {
    emit(code + (i % 3) * 16, i);
    sum += ((function)(code + (i % 3) * 16))();
  }
  CHECK(sum == 4950);
  OK(mprotect(code, 4096, PROT_READ | PROT_EXEC));
  CHECK(((function)code)() == 99);
  OK(mprotect(code, 4096, PROT_READ | PROT_WRITE));
  emit(code, 1234);
  OK(mprotect(code, 4096, PROT_READ | PROT_EXEC));
  CHECK(((function)code)() == 1234);
  unsigned char *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  emit(shared, 5);
  pid_t child = OK(fork());
  if (child == 0) {
    int got = ((function)shared)();
    emit(shared, 6);
    _exit(got);
  }
  CHECK(guest_wait(child) == 5 << 8);
  CHECK(((function)shared)() == 6);
  return guest_done("generated");
}
