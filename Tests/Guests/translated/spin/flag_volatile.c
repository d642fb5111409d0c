// shows: a thread spins on a volatile flag without a syscall until another thread sets it after some work.
// build: static -O1 -pthread -static
// build: dynamic -O2 -pthread
// engine: translated
#include "guest.h"

static volatile int flag;
static volatile uint64_t result;

static void *work(void *argument) {
  uint64_t value = (uint64_t)(uintptr_t)argument;
  for (long i = 0; i < 2000000; i++) value = value * 6364136223846793005u + 1442695040888963407u;
  result = value;
  flag = 1;
  return NULL;
}

int main(void) {
  pthread_t thread;
  ZERO(pthread_create(&thread, NULL, work, (void *)1));
  while (!flag) {}
  CHECK(result != 0);
  printf("result %lx\n", (unsigned long)result);
  ZERO(pthread_join(thread, NULL));
  return guest_done("flag_volatile");
}
