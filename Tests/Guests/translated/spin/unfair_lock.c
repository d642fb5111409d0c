// shows: 4 threads and an unfair test-and-set lock: each takes it again at once, and all come to their end.
// build: static -O2 -pthread -static
// build: unoptimised -O0 -pthread
// engine: translated
#include "guest.h"

enum { THREADS = 4, ROUNDS = 3000 };
static char lock;
static long count, by_thread[THREADS];

static void *body(void *argument) {
  long me = (long)argument;
  for (int i = 0; i < ROUNDS; i++) {
    while (__atomic_test_and_set(&lock, __ATOMIC_ACQUIRE)) {}
    count++;
    by_thread[me]++;
    __atomic_clear(&lock, __ATOMIC_RELEASE);
  }
  return NULL;
}

int main(void) {
  pthread_t threads[THREADS];
  for (long i = 0; i < THREADS; i++) ZERO(pthread_create(&threads[i], NULL, body, (void *)i));
  for (int i = 0; i < THREADS; i++) ZERO(pthread_join(threads[i], NULL));
  CHECK(count == THREADS * ROUNDS);
  for (int i = 0; i < THREADS; i++) CHECK(by_thread[i] == ROUNDS);
  return guest_done("unfair_lock");
}
