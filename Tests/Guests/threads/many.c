// shows: 300 threads alive at once, then 1,000 one after another; pids equal, thread ids differ.
// build: static -O1 -pthread -static
#include "guest.h"

static pthread_barrier_t barrier;
static int ids[300];

static void *body(void *argument) {
  long index = (long)argument;
  ids[index] = gettid();
  CHECK(getpid() != gettid());
  pthread_barrier_wait(&barrier);
  return argument;
}
static void *brief(void *argument) { return argument; }

static int compare(const void *left, const void *right) { return *(const int *)left - *(const int *)right; }

int main(void) {
  pthread_t threads[300];
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 65536);
  pthread_barrier_init(&barrier, NULL, 301);
  for (long i = 0; i < 300; i++) ZERO(pthread_create(&threads[i], &attributes, body, (void *)i));
  pthread_barrier_wait(&barrier);
  long sum = 0;
  for (int i = 0; i < 300; i++) {
    void *value;
    ZERO(pthread_join(threads[i], &value));
    sum += (long)value;
  }
  qsort(ids, 300, sizeof ids[0], compare);
  for (int i = 1; i < 300; i++) CHECK(ids[i] != ids[i - 1]);
  for (long i = 0; i < 1000; i++) {
    void *value;
    ZERO(pthread_create(&threads[0], NULL, brief, (void *)i));
    ZERO(pthread_join(threads[0], &value));
    sum += (long)value;
  }
  printf("sum %ld\n", sum);
  return guest_done("many");
}
