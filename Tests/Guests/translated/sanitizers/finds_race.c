// shows: ThreadSanitizer finds a race of two threads on a counter, and says so at the end by its exit status.
// build: tsan -O1 -pthread -fsanitize=thread
// native: fixed-addresses
// engine: translated
// exit: 66
// stderr: data race
// timeout: 120
#include "guest.h"

const char *__tsan_default_options(void) { return "symbolize=0"; }

static long counter;
static void *body(void *argument) {
  for (int i = 0; i < 1000; i++) counter++;
  return argument;
}

int main(void) {
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) ZERO(pthread_create(&threads[i], NULL, body, NULL));
  for (int i = 0; i < 2; i++) ZERO(pthread_join(threads[i], NULL));
  puts("after");
  return 0;
}
