// shows: the listener waits for an idle worker with if: a worker's late signal wakes it though the idle worker is already taken.
// fails: signal 6
// preemptions: 1
// source: Apache httpd bug 45605, ap_queue_info_set_idle in the worker MPM's fdqueue.c
#include "bug.h"

static struct { pthread_mutex_t lock; pthread_cond_t idle; int idlers; } info = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};

static void set_idle(void) {
  int before = __atomic_fetch_add(&info.idlers, 1, __ATOMIC_SEQ_CST); // RACE:1
  if (before > 0) return;
  pthread_mutex_lock(&info.lock);
  pthread_cond_signal(&info.idle);
  pthread_mutex_unlock(&info.lock);
}

static void wait_for_idler(void) {
  if (__atomic_load_n(&info.idlers, __ATOMIC_SEQ_CST) == 0) {
    pthread_mutex_lock(&info.lock);
#ifdef FIXED
    while (__atomic_load_n(&info.idlers, __ATOMIC_SEQ_CST) == 0) pthread_cond_wait(&info.idle, &info.lock);
#else
    if (__atomic_load_n(&info.idlers, __ATOMIC_SEQ_CST) == 0) pthread_cond_wait(&info.idle, &info.lock);
#endif
    pthread_mutex_unlock(&info.lock);
  }
  if (__atomic_fetch_sub(&info.idlers, 1, __ATOMIC_SEQ_CST) <= 0) fail("a connection goes to a worker that is not there"); // RACE:2
}

static void *worker(void *argument) {
  set_idle();
  return argument;
}

static void *listener(void *argument) {
  for (int connection = 0; connection < 2; connection++) wait_for_idler();
  return argument;
}

int main(void) {
  pthread_t first = start(worker, NULL), accepting = start(listener, NULL), second = start(worker, NULL);
  finish(first);
  finish(second);
  finish(accepting);
  return info.idlers != 0;
}
