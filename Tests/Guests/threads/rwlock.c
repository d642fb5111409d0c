// shows: read-write locks: readers share, a writer excludes, try and timed forms.
// build: static -O1 -pthread -static
#include "guest.h"

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static long left, right, reads;

static void *writer(void *argument) {
  (void)argument;
  for (int i = 0; i < 100; i++) {
    pthread_rwlock_wrlock(&lock);
    left++;
    sched_yield();
    right++;
    pthread_rwlock_unlock(&lock);
  }
  return NULL;
}

static void *reader(void *argument) {
  (void)argument;
  for (int i = 0; i < 100; i++) {
    pthread_rwlock_rdlock(&lock);
    CHECK(left == right);
    sched_yield();
    CHECK(left == right);
    __atomic_add_fetch(&reads, 1, __ATOMIC_RELAXED);
    pthread_rwlock_unlock(&lock);
  }
  return NULL;
}

static void *try_write(void *argument) {
  (void)argument;
  long result = pthread_rwlock_trywrlock(&lock);
  if (result == 0) pthread_rwlock_unlock(&lock);
  return (void *)result;
}

static void *timed_write(void *argument) {
  (void)argument;
  struct timespec deadline = guest_deadline(CLOCK_REALTIME, 15);
  return (void *)(long)pthread_rwlock_timedwrlock(&lock, &deadline);
}

static long in_thread(void *(*body)(void *)) {
  pthread_t thread;
  void *value;
  ZERO(pthread_create(&thread, NULL, body, NULL));
  ZERO(pthread_join(thread, &value));
  return (long)value;
}

int main(void) {
  pthread_t threads[6];
  for (int i = 0; i < 6; i++) ZERO(pthread_create(&threads[i], NULL, i % 3 ? reader : writer, NULL));
  for (int i = 0; i < 6; i++) ZERO(pthread_join(threads[i], NULL));
  printf("left %ld right %ld reads %ld\n", left, right, reads);
  ZERO(pthread_rwlock_rdlock(&lock));
  ZERO(pthread_rwlock_tryrdlock(&lock));
  CHECK(in_thread(try_write) == EBUSY);
  CHECK(in_thread(timed_write) == ETIMEDOUT);
  ZERO(pthread_rwlock_unlock(&lock));
  ZERO(pthread_rwlock_unlock(&lock));
  CHECK(in_thread(try_write) == 0);
  return guest_done("rwlock");
}
