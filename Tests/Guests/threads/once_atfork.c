// shows: pthread_once under contention, atfork handlers, fork from a thread leaves one thread in the child.
// build: static -O1 -pthread -static
#include "guest.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int initialised, prepared, parents, children;
static void initialise(void) {
  sched_yield();
  initialised++;
}
static void prepare(void) { prepared++; }
static void parent(void) { parents++; }
static void child(void) { children++; }

static void *body(void *argument) {
  (void)argument;
  pthread_once(&once, initialise);
  CHECK(initialised == 1);
  return NULL;
}

static void *forks(void *argument) {
  (void)argument;
  pid_t pid = OK(fork());
  if (pid == 0) {
    CHECK(getpid() == gettid());
    CHECK(children == 1 && parents == 0);
    _exit(guest_failures ? 1 : 9);
  }
  int status = guest_wait(pid);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 9);
  return NULL;
}

int main(void) {
  pthread_t threads[6];
  for (int i = 0; i < 6; i++) ZERO(pthread_create(&threads[i], NULL, body, NULL));
  for (int i = 0; i < 6; i++) ZERO(pthread_join(threads[i], NULL));
  ZERO(pthread_atfork(prepare, parent, child));
  ZERO(pthread_create(&threads[0], NULL, forks, NULL));
  ZERO(pthread_join(threads[0], NULL));
  CHECK(prepared == 1 && parents == 1 && children == 0);
  return guest_done("once_atfork");
}
