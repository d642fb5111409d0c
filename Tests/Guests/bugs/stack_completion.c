// shows: a completion that its waiter destroys as soon as it is done, while the other side still looks whether somebody waits.
// fails: signal 6
// preemptions: 2
// source: the pattern of glibc bug 12674: sem_post touches a semaphore that the woken waiter may have destroyed already
#include "bug.h"

struct completion {
  int done, waiters, in_use;
  pthread_mutex_t lock;
  pthread_cond_t changed;
};

static void complete(struct completion *completion) {
#ifdef FIXED
  pthread_mutex_lock(&completion->lock);
  WRITE_ONCE(completion->done, 1);
  pthread_cond_signal(&completion->changed);
  pthread_mutex_unlock(&completion->lock);
#else
  __atomic_store_n(&completion->done, 1, __ATOMIC_SEQ_CST); // RACE:1
  if (!READ_ONCE(completion->in_use)) fail("a completion is used after it was destroyed");
  if (__atomic_load_n(&completion->waiters, __ATOMIC_SEQ_CST) == 0) return;
  pthread_mutex_lock(&completion->lock);
  pthread_cond_signal(&completion->changed);
  pthread_mutex_unlock(&completion->lock);
#endif
}

static void wait_for(struct completion *completion) {
#ifndef FIXED
  if (__atomic_load_n(&completion->done, __ATOMIC_SEQ_CST)) return; // RACE:2
#endif
  __atomic_add_fetch(&completion->waiters, 1, __ATOMIC_SEQ_CST);
  pthread_mutex_lock(&completion->lock);
  while (!READ_ONCE(completion->done)) pthread_cond_wait(&completion->changed, &completion->lock);
  pthread_mutex_unlock(&completion->lock);
}

static void *work(void *argument) {
  complete(argument);
  return NULL;
}

int main(void) {
  struct completion completion = {0, 0, 1, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER};
  pthread_t worker = start(work, &completion);
  wait_for(&completion);
  WRITE_ONCE(completion.in_use, 0); // what a return to other uses of the stack would do
  finish(worker);
  return 0;
}
