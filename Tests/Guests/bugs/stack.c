// shows: a consumer that pops as soon as it was told once that something was pushed: a flag where a count is needed.
// fails: signal 6
// preemptions: 1
// source: SCTBench, CS.stack_bad
#include "bug.h"

enum { SIZE = 3 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int stack[SIZE], top, pushed;

static void *producer(void *argument) {
  for (int i = 0; i < SIZE; i++) {
    pthread_mutex_lock(&lock);
    stack[top++] = i;
    pushed = 1; // RACE:1
    pthread_mutex_unlock(&lock);
  }
  return argument;
}

static void *consumer(void *argument) {
  for (int i = 0; i < SIZE; i++) {
    pthread_mutex_lock(&lock);
#ifdef FIXED
    int available = top > 0;
#else
    int available = pushed; // RACE:2
#endif
    if (available && --top < 0) fail("popped from an empty stack");
    pthread_mutex_unlock(&lock);
  }
  return argument;
}

int main(void) {
  pthread_t first = start(producer, NULL), second = start(consumer, NULL);
  finish(first);
  finish(second);
  return stack[0] < 0;
}
