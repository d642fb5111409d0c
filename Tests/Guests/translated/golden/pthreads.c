// shows: a dynamic pthread program: mutex, condition, barrier, thread-local data, a spin on a flag, an unlocked counter, cpuid, rdtsc.
// build: dynamic -O2 -pthread
// engine: translated
#include <cpuid.h>
#include "guest.h"

enum { THREADS = 4, ROUNDS = 200 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static volatile int flag;
static volatile long unlocked;
static long locked, queue;
static __thread long own;

static void *body(void *argument) {
  long me = (long)argument;
  while (!flag) __builtin_ia32_pause();
  for (int i = 0; i < ROUNDS; i++) {
    pthread_mutex_lock(&mutex);
    locked++;
    if (me % 2) {
      queue++;
      pthread_cond_signal(&filled);
    } else {
      while (queue == 0) pthread_cond_wait(&filled, &mutex);
      queue--;
    }
    pthread_mutex_unlock(&mutex);
    for (int j = 0; j < 20; j++) unlocked++;
    own += me;
  }
  pthread_barrier_wait(&barrier);
  CHECK(own == me * ROUNDS);
  return NULL;
}

int main(void) {
  unsigned a = 0, b = 0, c = 0, d = 0;
  CHECK(__get_cpuid(1, &a, &b, &c, &d));
  uint64_t before = __builtin_ia32_rdtsc();
  ZERO(pthread_barrier_init(&barrier, NULL, THREADS));
  pthread_t threads[THREADS];
  for (long i = 0; i < THREADS; i++) ZERO(pthread_create(&threads[i], NULL, body, (void *)i));
  flag = 1;
  for (int i = 0; i < THREADS; i++) ZERO(pthread_join(threads[i], NULL));
  CHECK(locked == THREADS * ROUNDS && queue == 0);
  CHECK(unlocked > 0 && unlocked <= THREADS * ROUNDS * 20);
  CHECK(__builtin_ia32_rdtsc() > before);
  return guest_done("pthreads");
}
