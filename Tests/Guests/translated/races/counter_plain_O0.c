// shows: counter++ on a plain long in two threads, a million times each, built with -O0: exit 1 when updates were lost.
// build: dynamic -O0 -pthread
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
