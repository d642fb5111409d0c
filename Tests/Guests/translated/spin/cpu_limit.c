// shows: RLIMIT_CPU ends a process that spins, by SIGXCPU.
// build: static -O1 -static
// engine: translated
// slow: a second of computing
#include "guest.h"

int main(void) {
  pid_t child = OK(fork());
  if (child == 0) {
    struct rlimit limit = {1, 2};
    OK(setrlimit(RLIMIT_CPU, &limit));
    for (;;) {}
  }
  CHECK(guest_wait(child) == SIGXCPU);
  return guest_done("cpu_limit");
}
