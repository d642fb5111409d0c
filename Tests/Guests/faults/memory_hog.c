// shows: a memory hog meets a limit: ENOMEM or SIGKILL for the child, never the end of the sandbox.
// build: static -O1 -static
// native: skip
// timeout: 300
// slow: touches much memory
#include "guest.h"

int main(void) {
  pid_t child = OK(fork());
  if (child == 0) {
    struct rlimit limit = {1UL << 30, 1UL << 30};
    setrlimit(RLIMIT_AS, &limit);
    size_t total = 0;
    for (;;) {
      char *block = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (block == MAP_FAILED) _exit(errno == ENOMEM && total >= (512UL << 20) ? 0 : 1);
      for (size_t i = 0; i < 64 << 20; i += 4096) block[i] = 1;
      total += 64 << 20;
    }
  }
  CHECK(guest_wait(child) == 0);
  void *absurd = mmap(NULL, 1UL << 46, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(absurd == MAP_FAILED && errno == ENOMEM);
  return guest_done("memory_hog");
}
