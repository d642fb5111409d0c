// shows: three setters store two variables each, one after the other; a checker sees the first without the second.
// fails: signal 6
// preemptions: 1
// source: SCTBench, CS.reorder_N_bad: setters and a checker
#include "bug.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int a, b;

static void guard(int (*operation)(pthread_mutex_t *)) {
#ifdef FIXED
  operation(&lock);
#else
  (void)operation, (void)lock;
#endif
}

static void *set(void *argument) {
  guard(pthread_mutex_lock);
  WRITE_ONCE(a, 1); // RACE:1
  WRITE_ONCE(b, -1);
  guard(pthread_mutex_unlock);
  return argument;
}

static void *check(void *argument) {
  guard(pthread_mutex_lock);
  int first = READ_ONCE(a), second = READ_ONCE(b); // RACE:2
  if (first != -second) fail("a and b do not belong together");
  guard(pthread_mutex_unlock);
  return argument;
}

int main(void) {
  pthread_t threads[] = {start(set, NULL), start(set, NULL), start(set, NULL), start(check, NULL)};
  for (int i = 0; i < 4; i++) finish(threads[i]);
  return a != 1;
}
