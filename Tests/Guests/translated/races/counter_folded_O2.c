// shows: the bare loop of counter++ built with -O2, which gcc folds into one addition: its only window is inside one instruction.
// build: dynamic -O2 -pthread
// wanted: 25
#include <pthread.h>
#include <stdio.h>

enum { ROUNDS = 1000000 };
static long counter;

static void *body(void *argument) {
  for (long i = 0; i < ROUNDS; i++) counter++;
  return argument;
}

int main(void) {
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, body, NULL);
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  printf("lost %ld of %d\n", 2L * ROUNDS - counter, 2 * ROUNDS);
  return counter != 2L * ROUNDS;
}
