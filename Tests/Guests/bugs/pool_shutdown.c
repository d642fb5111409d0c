// shows: a thread pool that stops when its queue is empty: a task that is still running submits another one, which is lost.
// fails: signal 6
// preemptions: 2
#include "bug.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER, idle = PTHREAD_COND_INITIALIZER;
static int queue[8], queued, running, stop, done;

static void submit(int follow_ups) {
  pthread_mutex_lock(&lock);
  queue[queued++] = follow_ups;
  pthread_cond_signal(&work);
  pthread_mutex_unlock(&lock);
}

static void *worker(void *argument) {
  pthread_mutex_lock(&lock);
  for (;;) {
    while (queued == 0 && !stop) {
      pthread_cond_signal(&idle);
      pthread_cond_wait(&work, &lock);
    }
    if (stop) break;
    int follow_ups = queue[--queued];
    running++;
    pthread_mutex_unlock(&lock); // RACE:1
    if (follow_ups > 0) submit(follow_ups - 1);
    __atomic_add_fetch(&done, 1, __ATOMIC_RELAXED);
    pthread_mutex_lock(&lock);
    running--;
  }
  pthread_mutex_unlock(&lock);
  return argument;
}

static void drain_and_stop(void) {
  pthread_mutex_lock(&lock);
#ifdef FIXED
  while (queued > 0 || running > 0) pthread_cond_wait(&idle, &lock);
#else
  while (queued > 0) pthread_cond_wait(&idle, &lock); // RACE:2
#endif
  stop = 1;
  pthread_cond_broadcast(&work);
  pthread_mutex_unlock(&lock);
}

int main(void) {
  submit(1);
  pthread_t thread = start(worker, NULL);
  drain_and_stop();
  finish(thread);
  if (done != 2) fail("a task was lost at shutdown");
  return 0;
}
