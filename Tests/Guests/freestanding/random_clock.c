// shows: random bytes and clocks come from the trace: sums are checked for sanity, time runs forwards, a sleep lasts.
// build: bare -O1 -ffreestanding -nostdlib -static -fno-stack-protector -mgeneral-regs-only
#include "start.h"

int guest(void) {
  unsigned char bytes[256];
  word differences = 0;
  if (CALL(sys_getrandom, bytes, sizeof bytes, 0) != sizeof bytes) return 1;
  for (word i = 1; i < sizeof bytes; i++) differences += bytes[i] != bytes[i - 1];
  if (differences < 200) return 2;
  long before[2], after[2], sleep_time[2] = {0, 5000000};
  CALL(sys_clock_gettime, 1, before, 0);
  for (int i = 0; i < 100; i++) {
    CALL(sys_clock_gettime, 1, after, 0);
    if (after[0] < before[0] || (after[0] == before[0] && after[1] < before[1])) return 3;
  }
  CALL(sys_nanosleep, sleep_time, 0, 0);
  CALL(sys_clock_gettime, 1, after, 0);
  long passed = (after[0] - before[0]) * 1000000000 + after[1] - before[1];
  if (passed < 5000000) return 4;
  // The bytes steer the path, so that a replay with other bytes would diverge.
  word path = 0;
  for (word i = 0; i < sizeof bytes; i++) {
    if (bytes[i] & 1) path = path * 31 + bytes[i];
    else CALL(sys_getpid, 0, 0, 0);
  }
  print(path ? "random and clocks\n" : "none\n");
  return 0;
}
