// shows: a timer against its cancellation: the timer thread has decided to fire, then the connection goes before the call.
// fails: signal 6
// preemptions: 1
// source: the reason for timer_delete_sync beside timer_delete in Linux: the handler may still run after the timer was deleted
#include <time.h>

#include "bug.h"

enum { OPEN = 0x0be7 };
struct connection {
  int state;
  int timed_out;
};

struct timer {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  struct timespec deadline;
  int cancelled;
  struct connection *connection;
};

static struct timer timer = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void expire(struct connection *connection) {
  if (READ_ONCE(connection->state) != OPEN) fail("the timer fires for a connection that is gone"); // RACE:1
  connection->timed_out = 1;
}

static void *timer_thread(void *argument) {
  pthread_mutex_lock(&timer.lock);
  int error = 0;
  while (!timer.cancelled && error == 0) error = pthread_cond_timedwait(&timer.changed, &timer.lock, &timer.deadline);
  int fire = !timer.cancelled;
#ifdef FIXED
  if (fire) expire(timer.connection);
  pthread_mutex_unlock(&timer.lock);
#else
  pthread_mutex_unlock(&timer.lock);
  if (fire) expire(timer.connection);
#endif
  return argument;
}

static void cancel(void) {
  pthread_mutex_lock(&timer.lock);
  timer.cancelled = 1;
  pthread_cond_signal(&timer.changed);
  pthread_mutex_unlock(&timer.lock);
}

int main(void) {
  struct connection *connection = calloc(1, sizeof *connection);
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&timer.changed, &monotonic);
  connection->state = OPEN;
  timer.connection = connection;
  clock_gettime(CLOCK_MONOTONIC, &timer.deadline);
  timer.deadline.tv_nsec += 2000000;
  if (timer.deadline.tv_nsec >= 1000000000) timer.deadline.tv_nsec -= 1000000000, timer.deadline.tv_sec++;
  pthread_t thread = start(timer_thread, NULL);
  // The peer answers in the last moment.
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &timer.deadline, NULL);
  cancel();
  poison(connection, sizeof *connection); // RACE:2
  finish(thread);
  free(connection);
  return 0;
}
