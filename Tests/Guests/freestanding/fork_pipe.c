// shows: fork, a pipe from child to parent, wait4 and exit statuses; copy-on-write memory.
// build: bare -O1 -ffreestanding -nostdlib -static -fno-stack-protector -mgeneral-regs-only
#include "start.h"

static long shared_looking = 1;

int guest(void) {
  int ends[2], status = 0;
  if (CALL(sys_pipe, ends, 0, 0) != 0) return 1;
  for (int round = 0; round < 3; round++) {
    long child = CALL(sys_fork, 0, 0, 0);
    if (child == 0) {
      shared_looking = 100 + round;
      CALL(sys_write, ends[1], &shared_looking, 8);
      CALL(sys_exit_group, 10 + round, 0, 0);
    }
    long value = 0;
    if (CALL(sys_read, ends[0], &value, 8) != 8) return 2;
    print_number("from child ", value);
    if (CALL6(sys_wait4, child, &status, 0, 0, 0, 0) != child) return 3;
    print_number("status ", status >> 8);
  }
  return shared_looking == 1 ? 0 : 4;
}
