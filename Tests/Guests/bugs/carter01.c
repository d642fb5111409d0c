// shows: two classes of readers: the first of one waits for the room lock with the gate locked, which the last of the other needs.
// fails: deadlock
// preemptions: 1
// source: SCTBench, CS.carter01_bad
#include "bug.h"

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER, other_gate = PTHREAD_MUTEX_INITIALIZER, room = PTHREAD_MUTEX_INITIALIZER;
static int in_class[2], visits;

static void visit(int class, pthread_mutex_t *lock) {
  pthread_mutex_lock(lock);
  if (++in_class[class] == 1) pthread_mutex_lock(&room); // RACE:1
  pthread_mutex_unlock(lock);
  __atomic_add_fetch(&visits, 1, __ATOMIC_RELAXED);
  pthread_mutex_lock(lock); // RACE:2
  if (--in_class[class] == 0) pthread_mutex_unlock(&room);
  pthread_mutex_unlock(lock);
}

static void *visitor_a(void *argument) {
  visit(0, &gate);
  return argument;
}

static void *visitor_b(void *argument) {
#ifdef FIXED
  visit(1, &other_gate);
#else
  visit(1, &gate);
#endif
  return argument;
}

int main(void) {
  pthread_t a = start(visitor_a, NULL), b = start(visitor_b, NULL);
  finish(a);
  finish(b);
  (void)other_gate;
  return visits != 2;
}
