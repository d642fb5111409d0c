// shows: the cost of a condition-variable hand-off: 4 threads pass a baton round through one mutex, N times.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed[4];
static long turn, count;

static void *body(void *argument) {
  long me = (long)argument;
  pthread_mutex_lock(&lock);
  for (;;) {
    while (turn < count && turn % 4 != me) pthread_cond_wait(&changed[me], &lock);
    if (turn >= count) break;
    turn++;
    pthread_cond_signal(&changed[turn % 4]);
  }
  for (int i = 0; i < 4; i++) pthread_cond_signal(&changed[i]);
  pthread_mutex_unlock(&lock);
  return NULL;
}

int main(int argc, char **argv) {
  pthread_t threads[4];
  count = argc > 1 ? atol(argv[1]) : 100000;
  for (int i = 0; i < 4; i++) pthread_cond_init(&changed[i], NULL);
  for (long i = 0; i < 4; i++) pthread_create(&threads[i], NULL, body, (void *)i);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  printf("handoff %ld\n", turn);
  return 0;
}
