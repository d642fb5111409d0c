// shows: 4 threads take a mutex with pthread_mutex_trylock in a loop, never waiting in the kernel; a pthread spinlock likewise.
// build: dynamic -O1 -pthread
// engine: translated
#include "guest.h"

enum { THREADS = 4, ROUNDS = 500 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_spinlock_t spin;
static volatile long by_mutex, by_spin;

static void *body(void *argument) {
  for (int i = 0; i < ROUNDS; i++) {
    while (pthread_mutex_trylock(&mutex) != 0) {}
    by_mutex++;
    ZERO(pthread_mutex_unlock(&mutex));
    ZERO(pthread_spin_lock(&spin));
    by_spin++;
    ZERO(pthread_spin_unlock(&spin));
  }
  return argument;
}

int main(void) {
  pthread_t threads[THREADS];
  ZERO(pthread_spin_init(&spin, 0));
  for (int i = 0; i < THREADS; i++) ZERO(pthread_create(&threads[i], NULL, body, NULL));
  for (int i = 0; i < THREADS; i++) ZERO(pthread_join(threads[i], NULL));
  CHECK(by_mutex == THREADS * ROUNDS && by_spin == THREADS * ROUNDS);
  return guest_done("trylock");
}
