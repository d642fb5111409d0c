// shows: the smallest guest: one write, exit status 0.
// build: bare -O1 -ffreestanding -nostdlib -static -fno-stack-protector -mgeneral-regs-only
#include "start.h"
int guest(void) {
  print("hello\n");
  return 0;
}
