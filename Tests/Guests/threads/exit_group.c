// shows: exit from one thread ends the process while the others block in read, futex and sleep.
// build: static -O1 -pthread -static
// exit: 33
#include "guest.h"

static int ends[2];
static sem_t ready;
static void *in_read(void *a) { char b; (void)a; sem_post(&ready); read(ends[0], &b, 1); return NULL; }
static void *in_futex(void *a) { sem_t never; (void)a; sem_init(&never, 0, 0); sem_post(&ready); sem_wait(&never); return NULL; }
static void *in_sleep(void *a) { (void)a; sem_post(&ready); sleep(100000); return NULL; }
static void *ends_it(void *a) {
  (void)a;
  for (int i = 0; i < 3; i++) sem_wait(&ready);
  sched_yield();
  printf("exit from a thread\n");
  exit(33);
}

int main(void) {
  pthread_t thread;
  OK(pipe(ends));
  sem_init(&ready, 0, 0);
  ZERO(pthread_create(&thread, NULL, in_read, NULL));
  ZERO(pthread_create(&thread, NULL, in_futex, NULL));
  ZERO(pthread_create(&thread, NULL, in_sleep, NULL));
  ZERO(pthread_create(&thread, NULL, ends_it, NULL));
  for (;;) pause();
}
