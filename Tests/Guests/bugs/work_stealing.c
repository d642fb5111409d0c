// shows: a work-stealing deque whose thief looks at the tail before it has moved the head: the last task runs twice.
// fails: signal 6
// preemptions: 2
// source: after the WorkStealQueue of CHESS (Musuvathi et al., OSDI 2008), in SCTBench as chess.WSQ; the protocol is Cilk-5's (PLDI 1998)
#include "bug.h"

enum { TASKS = 2 };
static pthread_mutex_t steal_lock = PTHREAD_MUTEX_INITIALIZER;
static long head, tail;
static int tasks[TASKS], runs[TASKS];

static void push(int task) {
  long at = READ_ONCE(tail);
  tasks[at] = task;
  __atomic_store_n(&tail, at + 1, __ATOMIC_SEQ_CST);
}

static int pop(void) {
  long at = READ_ONCE(tail) - 1;
  __atomic_store_n(&tail, at, __ATOMIC_SEQ_CST); // RACE:2
  if (__atomic_load_n(&head, __ATOMIC_SEQ_CST) <= at) return tasks[at];
  // Perhaps a thief is on its way back: decide with the lock held.
  __atomic_store_n(&tail, at + 1, __ATOMIC_SEQ_CST);
  pthread_mutex_lock(&steal_lock);
  int task = -1;
  if (READ_ONCE(head) <= at) {
    WRITE_ONCE(tail, at);
    task = tasks[at];
  }
  pthread_mutex_unlock(&steal_lock);
  return task;
}

static int steal(void) {
  int task = -1;
  pthread_mutex_lock(&steal_lock);
  long at = READ_ONCE(head);
#ifdef FIXED
  __atomic_store_n(&head, at + 1, __ATOMIC_SEQ_CST);
  if (at < __atomic_load_n(&tail, __ATOMIC_SEQ_CST)) task = tasks[at];
  else __atomic_store_n(&head, at, __ATOMIC_SEQ_CST);
#else
  if (at < __atomic_load_n(&tail, __ATOMIC_SEQ_CST)) { // RACE:1
    task = tasks[at];
    __atomic_store_n(&head, at + 1, __ATOMIC_SEQ_CST);
  }
#endif
  pthread_mutex_unlock(&steal_lock);
  return task;
}

static void run(int task) {
  if (task >= 0 && __atomic_add_fetch(&runs[task], 1, __ATOMIC_RELAXED) > 1) fail("a task runs twice");
}

static void *thief(void *argument) {
  run(steal());
  run(steal());
  return argument;
}

int main(void) {
  for (int i = 0; i < TASKS; i++) push(i);
  pthread_t other = start(thief, NULL);
  for (int i = 0; i < TASKS; i++) run(pop());
  finish(other);
  for (int i = 0; i < TASKS; i++)
    if (runs[i] != 1) fail("a task was lost");
  return 0;
}
