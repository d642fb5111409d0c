// shows: detached threads; the main thread ends by pthread_exit and the last thread ends the process with status 5.
// build: static -O1 -pthread -static
// exit: 5
#include "guest.h"

static sem_t done;
static pthread_t main_thread;
static void *brief(void *argument) {
  sem_post(argument);
  return NULL;
}
static void *last(void *argument) {
  (void)argument;
  void *value;
  ZERO(pthread_join(main_thread, &value));
  CHECK(value == (void *)77);
  if (guest_done("detach") == 0) exit(5);
  exit(1);
}

int main(void) {
  sem_init(&done, 0, 0);
  main_thread = pthread_self();
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  for (int i = 0; i < 20; i++) {
    pthread_t thread;
    ZERO(pthread_create(&thread, i % 2 ? &attributes : NULL, brief, &done));
    if (i % 2 == 0) ZERO(pthread_detach(thread));
  }
  for (int i = 0; i < 20; i++) OK(sem_wait(&done));
  pthread_t thread;
  ZERO(pthread_create(&thread, NULL, last, NULL));
  pthread_exit((void *)77);
}
