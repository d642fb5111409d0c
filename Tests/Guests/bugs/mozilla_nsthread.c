// shows: an order violation: a new thread uses the handle that its creator stores after the creation.
// fails: signal 6
// preemptions: 1
// source: Mozilla nsThread, mThread used by the new thread before PR_CreateThread has returned (Lu et al., "Learning from Mistakes", ASPLOS 2008)
#include "bug.h"

struct handle {
  int state;
  pthread_t native;
};

struct runner {
  pthread_mutex_t lock;
  struct handle *thread; // what create_thread gave
  int state_seen;
};

static struct runner runner = {PTHREAD_MUTEX_INITIALIZER, NULL, 0};

static void *run(void *argument) {
  struct runner *self = argument;
#ifdef FIXED
  pthread_mutex_lock(&self->lock);
#endif
  struct handle *own = READ_ONCE(self->thread); // RACE:2
#ifdef FIXED
  pthread_mutex_unlock(&self->lock);
#endif
  if (own == NULL) fail("the thread runs before its handle is stored");
  self->state_seen = own->state;
  return NULL;
}

static struct handle *create_thread(void *(*body)(void *), void *argument) {
  struct handle *made = calloc(1, sizeof *made);
  if (made == NULL) give_up("calloc");
  made->state = 1;
  made->native = start(body, argument);
  return made;
}

int main(void) {
#ifdef FIXED
  pthread_mutex_lock(&runner.lock);
#endif
  WRITE_ONCE(runner.thread, create_thread(run, &runner)); // RACE:1
#ifdef FIXED
  pthread_mutex_unlock(&runner.lock);
#endif
  finish(runner.thread->native);
  free(runner.thread);
  return runner.state_seen != 1;
}
