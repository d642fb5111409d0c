// shows: spins on rdtsc and rdtscp: until a distance has passed, and until another thread sets a flag.
// build: static -O1 -pthread -static
// engine: translated
#include "guest.h"

static volatile int flag;
static uint64_t stamp(void) {
  uint32_t low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
  return (uint64_t)high << 32 | low;
}
static uint64_t stamp_p(void) {
  uint32_t low, high, processor;
  __asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(processor));
  return (uint64_t)high << 32 | low;
}

static void *work(void *argument) {
  volatile long sum = 0;
  for (long i = 0; i < 300000; i++) sum += i;
  flag = 1;
  return argument;
}

int main(void) {
  uint64_t until = stamp() + 10000000;
  while (stamp() < until) {}
  until = stamp_p() + 10000000;
  while (stamp_p() < until) {}
  pthread_t thread;
  ZERO(pthread_create(&thread, NULL, work, NULL));
  while (!flag) stamp();
  ZERO(pthread_join(thread, NULL));
  return guest_done("time_stamp");
}
