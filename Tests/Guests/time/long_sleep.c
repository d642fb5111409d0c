// shows: virtual time: a day of sleeping takes no time.
// build: static -O1 -static
// native: skip
#include "guest.h"

int main(void) {
  time_t before = time(NULL);
  CHECK(sleep(86400) == 0);
  CHECK(time(NULL) - before >= 86400 && time(NULL) - before < 86500);
  return guest_done("long_sleep");
}
