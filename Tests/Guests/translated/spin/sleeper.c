// shows: a thread spins without a syscall until one that sleeps has woken and set a flag: time passes while it spins.
// build: static -O1 -pthread -static
// engine: translated
#include "guest.h"

static volatile int flag;
static void *sleeper(void *argument) {
  guest_sleep_ms(5);
  flag = 1;
  return argument;
}

int main(void) {
  for (int i = 0; i < 3; i++) {
    flag = 0;
    pthread_t thread;
    ZERO(pthread_create(&thread, NULL, sleeper, NULL));
    while (!flag) {}
    ZERO(pthread_join(thread, NULL));
  }
  return guest_done("sleeper");
}
