// shows: a thread calls sched_yield until another one, which computes without a syscall, sets a flag.
// build: static -O1 -pthread -static
#include "guest.h"

static volatile int flag;

static void *work(void *argument) {
  volatile long sum = 0;
  for (long i = 0; i < 300000; i++) sum += i;
  flag = 1;
  return argument;
}

int main(void) {
  pthread_t threads[3];
  for (int i = 0; i < 3; i++) ZERO(pthread_create(&threads[i], NULL, work, NULL));
  while (!flag) sched_yield();
  for (int i = 0; i < 3; i++) ZERO(pthread_join(threads[i], NULL));
  return guest_done("yield");
}
