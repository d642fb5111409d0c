// shows: 4 threads pass a baton round by condvars, 2,000 hand-offs in strict order.
// build: static -O1 -pthread -static
// build: dynamic -O1 -pthread
#include "guest.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed[4];
static long turn;
static unsigned long hash;

static void *body(void *argument) {
  long me = (long)argument;
  for (;;) {
    pthread_mutex_lock(&lock);
    while (turn < 2000 && turn % 4 != me) pthread_cond_wait(&changed[me], &lock);
    if (turn >= 2000) break;
    hash = hash * 31 + (unsigned long)me;
    turn++;
    pthread_cond_signal(&changed[turn % 4]);
    pthread_mutex_unlock(&lock);
  }
  for (int i = 0; i < 4; i++) pthread_cond_signal(&changed[i]);
  pthread_mutex_unlock(&lock);
  return NULL;
}

int main(void) {
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) pthread_cond_init(&changed[i], NULL);
  for (long i = 0; i < 4; i++) ZERO(pthread_create(&threads[i], NULL, body, (void *)i));
  for (int i = 0; i < 4; i++) ZERO(pthread_join(threads[i], NULL));
  printf("turns %ld hash %lx\n", turn, hash);
  return guest_done("ring");
}
