// shows: a test that sleeps so that a thread has its result ready: nothing but the length of the sleep says so.
// fails: signal 6
// preemptions: 0
// source: the class "async wait", the most frequent cause of flaky tests (Luo, Hariri, Eloussi, Marinov, "An Empirical Analysis of Flaky Tests", FSE 2014)
#include <semaphore.h>
#include <time.h>

#include "bug.h"

struct reply {
  int length;
  char text[16];
};

static struct reply *reply;
static sem_t answered;

static void *serve(void *request) {
  struct reply *made = calloc(1, sizeof *made);
  made->length = snprintf(made->text, sizeof made->text, "hello %s", (const char *)request);
  WRITE_ONCE(reply, made); // RACE:2
  sem_post(&answered);
  return NULL;
}

int main(void) {
  sem_init(&answered, 0, 0);
  pthread_t server = start(serve, "client");
#ifdef FIXED
  sem_wait(&answered);
#else
  // Plenty of time for an answer.
  nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
#endif
  struct reply *seen = READ_ONCE(reply); // RACE:1
  if (seen == NULL || seen->length != 12) fail("there is no reply yet");
  finish(server);
  return 0;
}
