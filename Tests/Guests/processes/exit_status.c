// shows: exit statuses are cut to 8 bits, atexit handlers run, stdio is flushed, _exit runs none; ends by SIGTERM.
// build: static -O1 -static
// signal: 15
#include "guest.h"

static void at_end(void) { printf("at exit\n"); }

int main(void) {
  setvbuf(stdout, NULL, _IOFBF, 4096);
  atexit(at_end);
  for (int i = 0; i < 3; i++) {
    fflush(stdout);
    pid_t child = OK(fork());
    if (child == 0) {
      if (i == 0) exit(0x1234);
      if (i == 1) _exit(-1);
      syscall(SYS_exit_group, 77);
    }
    int status = guest_wait(child);
    printf("child %d: %d\n", i, WEXITSTATUS(status));
  }
  fflush(stdout);
  if (guest_done("exit_status")) return 1;
  raise(SIGTERM);
  return 2;
}
