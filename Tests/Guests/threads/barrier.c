// shows: barriers: no thread enters a phase before all ended the one before; one serial thread each time.
// build: static -O1 -pthread -static
#include "guest.h"

enum { count = 5, phases = 20 };
static pthread_barrier_t barrier;
static int done[phases], serial;

static void *body(void *argument) {
  (void)argument;
  for (int phase = 0; phase < phases; phase++) {
    __atomic_add_fetch(&done[phase], 1, __ATOMIC_SEQ_CST);
    int result = pthread_barrier_wait(&barrier);
    if (result == PTHREAD_BARRIER_SERIAL_THREAD) __atomic_add_fetch(&serial, 1, __ATOMIC_SEQ_CST);
    else CHECK(result == 0);
    CHECK(__atomic_load_n(&done[phase], __ATOMIC_SEQ_CST) == count);
  }
  return NULL;
}

int main(void) {
  pthread_t threads[count];
  ZERO(pthread_barrier_init(&barrier, NULL, count));
  for (int i = 0; i < count; i++) ZERO(pthread_create(&threads[i], NULL, body, NULL));
  for (int i = 0; i < count; i++) ZERO(pthread_join(threads[i], NULL));
  ZERO(pthread_barrier_destroy(&barrier));
  printf("serial %d\n", serial);
  CHECK(serial == phases);
  return guest_done("barrier");
}
