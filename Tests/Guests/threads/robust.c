// shows: robust mutexes: owner thread and owner process die; EOWNERDEAD, consistent, ENOTRECOVERABLE.
// build: static -O1 -pthread -static
#include "guest.h"

static void *die_holding(void *argument) {
  ZERO(pthread_mutex_lock(argument));
  return NULL;
}

static void *lock_and_report(void *argument) {
  long result = pthread_mutex_lock(argument);
  if (result == 0 || result == EOWNERDEAD) {
    if (result == EOWNERDEAD) pthread_mutex_consistent(argument);
    pthread_mutex_unlock(argument);
  }
  return (void *)result;
}

static void make(pthread_mutex_t *mutex, int shared) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  ZERO(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST));
  if (shared) ZERO(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED));
  ZERO(pthread_mutex_init(mutex, &attributes));
}

int main(void) {
  pthread_t thread;
  pthread_mutex_t mutex;
  make(&mutex, 0);
  ZERO(pthread_create(&thread, NULL, die_holding, &mutex));
  ZERO(pthread_join(thread, NULL));
  CHECK(pthread_mutex_lock(&mutex) == EOWNERDEAD);
  ZERO(pthread_mutex_consistent(&mutex));
  ZERO(pthread_mutex_unlock(&mutex));
  ZERO(pthread_mutex_lock(&mutex));
  ZERO(pthread_mutex_unlock(&mutex));

  ZERO(pthread_create(&thread, NULL, die_holding, &mutex));
  ZERO(pthread_join(thread, NULL));
  CHECK(pthread_mutex_lock(&mutex) == EOWNERDEAD);
  ZERO(pthread_mutex_unlock(&mutex));
  CHECK(pthread_mutex_lock(&mutex) == ENOTRECOVERABLE);

  pthread_mutex_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  make(shared, 1);
  int ends[2];
  OK(pipe(ends));
  pid_t child = OK(fork());
  if (child == 0) {
    pthread_mutex_lock(shared);
    write(ends[1], "x", 1);
    guest_sleep_ms(20);
    kill(getpid(), SIGKILL);
  }
  char byte;
  OK(read(ends[0], &byte, 1));
  void *value;
  ZERO(pthread_create(&thread, NULL, lock_and_report, shared));  // waits while the owner dies
  ZERO(pthread_join(thread, &value));
  CHECK((long)value == EOWNERDEAD);
  int status = guest_wait(child);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  ZERO(pthread_mutex_lock(shared));
  ZERO(pthread_mutex_unlock(shared));
  return guest_done("robust");
}
