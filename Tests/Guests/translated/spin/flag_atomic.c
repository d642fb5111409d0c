// shows: two threads pass an atomic turn to and fro, each spinning until it is its own.
// build: static -O2 -pthread -static
// build: unoptimised -O0 -pthread
// engine: translated
#include "guest.h"

enum { ROUNDS = 200 };
static int turn;
static long sum;

static void *play(void *argument) {
  int me = (int)(long)argument;
  for (int i = 0; i < ROUNDS; i++) {
    while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != me) {}
    sum = sum * 3 + me + i;
    __atomic_store_n(&turn, 1 - me, __ATOMIC_RELEASE);
  }
  return NULL;
}

int main(void) {
  pthread_t thread;
  ZERO(pthread_create(&thread, NULL, play, (void *)1));
  play((void *)0);
  ZERO(pthread_join(thread, NULL));
  unsigned long expected = 0;
  for (int i = 0; i < ROUNDS; i++)
    for (int me = 0; me < 2; me++) expected = expected * 3 + (unsigned long)(me + i);
  CHECK((unsigned long)sum == expected);
  return guest_done("flag_atomic");
}
