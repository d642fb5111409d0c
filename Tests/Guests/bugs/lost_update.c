// shows: a lost update: two threads add to a byte counter by a load, an addition and a store.
// fails: signal 6
// preemptions: 1
#include "bug.h"

static long bytes_received;

static void account_for(long bytes) {
#ifdef FIXED
  __atomic_add_fetch(&bytes_received, bytes, __ATOMIC_SEQ_CST);
#else
  long before = READ_ONCE(bytes_received);    // RACE:1
  WRITE_ONCE(bytes_received, before + bytes); // RACE:2
#endif
}

static void *receive(void *argument) {
  for (int packet = 0; packet < 4; packet++) account_for((long)argument);
  return NULL;
}

int main(void) {
  pthread_t small = start(receive, (void *)64), large = start(receive, (void *)1500);
  finish(small);
  finish(large);
  if (bytes_received != 4 * 64 + 4 * 1500) fail("bytes are missing from the counter");
  return 0;
}
