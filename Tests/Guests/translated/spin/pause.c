// shows: spins with the pause instruction: a ticket lock of 3 threads, and a flag.
// build: static -O2 -pthread -static
// engine: translated
#include "guest.h"

enum { THREADS = 3, ROUNDS = 300 };
static unsigned next_ticket, now_serving;
static long count;
static volatile int start;

static void *body(void *argument) {
  while (!start) __builtin_ia32_pause();
  for (int i = 0; i < ROUNDS; i++) {
    unsigned mine = __atomic_fetch_add(&next_ticket, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&now_serving, __ATOMIC_ACQUIRE) != mine) __builtin_ia32_pause();
    count++;
    __atomic_store_n(&now_serving, mine + 1, __ATOMIC_RELEASE);
  }
  return argument;
}

int main(void) {
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) ZERO(pthread_create(&threads[i], NULL, body, NULL));
  start = 1;
  for (int i = 0; i < THREADS; i++) ZERO(pthread_join(threads[i], NULL));
  CHECK(count == THREADS * ROUNDS);
  return guest_done("pause");
}
