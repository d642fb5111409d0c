// shows: a check and an act with a conditional branch and a call between load and store, in two threads.
// build: dynamic -O2 -pthread
#include <pthread.h>
#include <stdio.h>

enum { ROUNDS = 1000000 };
static volatile long counter, odd;

static void __attribute__((noinline)) note(long value) {
  if (value % 3 == 0) odd++;
}

static void *body(void *argument) {
  for (long i = 0; i < ROUNDS; i++) {
    long value = counter;
    note(value);
    counter = value + 1;
  }
  return argument;
}

int main(void) {
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, body, NULL);
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  printf("lost %ld of %d\n", 2L * ROUNDS - counter, 2 * ROUNDS);
  return counter != 2L * ROUNDS;
}
