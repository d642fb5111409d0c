// shows: rdtsc and rdtscp run forwards within and between threads, pass with sleep, and name the processor that getcpu names.
// build: static -O1 -pthread -static
#include "guest.h"

static uint64_t stamp(void) {
  uint32_t low, high;
  __asm__ volatile("lfence\n rdtsc\n lfence" : "=a"(low), "=d"(high)::"memory");
  return (uint64_t)high << 32 | low;
}
static uint64_t stamp_p(uint32_t *processor) {
  uint32_t low, high;
  __asm__ volatile("rdtscp\n lfence" : "=a"(low), "=d"(high), "=c"(*processor)::"memory");
  return (uint64_t)high << 32 | low;
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t last;
static void *body(void *argument) {
  for (int i = 0; i < 1000; i++) {
    uint32_t processor;
    pthread_mutex_lock(&mutex);
    uint64_t now = i % 2 ? stamp() : stamp_p(&processor);
    CHECK(now > last);
    last = now;
    pthread_mutex_unlock(&mutex);
  }
  return argument;
}

int main(void) {
  pthread_t threads[3];
  for (int i = 0; i < 3; i++) ZERO(pthread_create(&threads[i], NULL, body, NULL));
  for (int i = 0; i < 3; i++) ZERO(pthread_join(threads[i], NULL));
  uint64_t before = stamp();
  guest_sleep_ms(50);
  uint64_t slept = stamp() - before;
  CHECK(slept > 1000000);
  int same = 0;
  for (int i = 0; i < 1000 && !same; i++) {
    uint32_t processor;
    unsigned cpu, node;
    stamp_p(&processor);
    OK(syscall(SYS_getcpu, &cpu, &node, NULL));
    same = processor == (node << 12 | cpu);
  }
  CHECK(same);
  return guest_done("time_stamp");
}
