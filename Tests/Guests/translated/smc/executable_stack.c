// shows: gcc's nested functions on an executable stack of the program itself (PT_GNU_STACK with x).
// build: static -O1 -static -z execstack
// build: dynamic -O1 -z execstack
#include "guest.h"

static int __attribute__((noinline)) apply(int (*function)(int), int value) { return function(value) + function(value + 1); }

int main(void) {
  for (int i = 0; i < 500; i++) {
    int calls = 0;
    int nested(int value) {
      calls++;
      return value + i;
    }
    CHECK(apply(nested, 10) == 21 + 2 * i);
    CHECK(calls == 2);
  }
  return guest_done("executable_stack");
}
