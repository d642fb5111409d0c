// shows: abort ends by SIGABRT although the signal is blocked and handled.
// build: static -O1 -static
// signal: 6
#include "guest.h"
static void handler(int number) { (void)number; write(1, "handler\n", 8); }
int main(void) {
  signal(SIGABRT, handler);
  abort();
}
