// shows: vfork: the parent stands still till exec or exit, memory is shared; exec ends the sharing.
// build: static -O1 -static
// build: dynamic -O1
#include "guest.h"

static volatile int shared_value;

int main(int argc, char **argv) {
  if (argc > 1) {
    printf("child image %s\n", argv[1]);
    return 40;
  }
  fflush(stdout);
  pid_t child = vfork();
  if (child == 0) {
    for (int i = 0; i < 20; i++) sched_yield();
    shared_value = 5;
    _exit(3);
  }
  CHECK(shared_value == 5);
  CHECK(guest_wait(child) == 3 << 8);
  child = vfork();
  if (child == 0) {
    shared_value = 6;
    execl("/proc/self/exe", argv[0], "after vfork", (char *)NULL);
    _exit(99);
  }
  CHECK(shared_value == 6);
  CHECK(guest_wait(child) == 40 << 8);
  child = vfork();
  if (child == 0) {
    execl("/no/such/program", "none", (char *)NULL);
    _exit(errno == ENOENT ? 12 : 13);
  }
  CHECK(guest_wait(child) == 12 << 8);
  child = vfork();
  if (child == 0) kill(getpid(), SIGKILL);
  CHECK(guest_wait(child) == SIGKILL);
  return guest_done("vfork_exec");
}
