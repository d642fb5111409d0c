// shows: `int 0x80` (32-bit calls) gives no host call: no file appears, no host pid is seen.
// build: static -O1 -no-pie -static
// native: skip
// host-absent: ESCAPED
#include "escape.h"
static const char path[] = "ESCAPED";
int main(void) {
  escape_catch();
  static long result = -1;
  int met = ESCAPE(__asm__ volatile("int $0x80" : "=a"(result) : "a"(5L), "b"((long)path), "c"(0101L), "d"(0666L) : "memory", "r8", "r9", "r10", "r11"));
  CHECK(met != 0 || result < 0);
  result = -1;
  met = ESCAPE(__asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory", "r8", "r9", "r10", "r11"));
  CHECK(met != 0 || (int)result < 0 || result == getpid());
  met = ESCAPE(__asm__ volatile("int $0x80" : "=a"(result) : "a"(37L), "b"(1L), "c"(9L) : "memory", "r8", "r9", "r10", "r11"));
  CHECK(met != 0 || (int)result <= 0);
  return guest_done("int80");
}
