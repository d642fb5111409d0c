// shows: one thread changes code that others run, under a lock, and without one where the change is a single aligned store.
// build: static -O1 -pthread -static
#include "code.h"

static unsigned char *code;
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static volatile int current, finished;

static void *runner(void *argument) {
  long runs = 0;
  while (!finished || runs < 10) {
    ZERO(pthread_rwlock_rdlock(&lock));
    CHECK(((function)code)() == current);
    ZERO(pthread_rwlock_unlock(&lock));
    // The immediate of the second function is aligned: old or new, never a mixture.
    int value = ((function)(code + 63))();
    CHECK((value & 0xffff) == (value >> 16 & 0xffff));
    runs++;
    sched_yield();
  }
  return argument;
}

int main(void) {
  code = code_pages(4096);
  emit_constant(code, 0);
  emit_constant(code + 63, 0);
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) ZERO(pthread_create(&threads[i], NULL, runner, NULL));
  for (int i = 1; i <= 300; i++) {
    ZERO(pthread_rwlock_wrlock(&lock));
    emit_constant(code, i);
    current = i;
    ZERO(pthread_rwlock_unlock(&lock));
    *(volatile int *)(code + 64) = i * 0x10001;
    sched_yield();
  }
  finished = 1;
  for (int i = 0; i < 2; i++) ZERO(pthread_join(threads[i], NULL));
  return guest_done("threads");
}
