// shows: double-checked initialisation that publishes the pointer before the fields behind it are set.
// fails: signal 6
// preemptions: 1
// source: "The 'Double-Checked Locking is Broken' Declaration" (Bacon et al.); here in the order of the source, no reordering is needed
#include "bug.h"

struct settings {
  int port;
  const char *host;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct settings *instance;

static struct settings *settings(void) {
  if (__atomic_load_n(&instance, __ATOMIC_ACQUIRE) == NULL) { // RACE:2
    pthread_mutex_lock(&lock);
    if (instance == NULL) {
      struct settings *made = calloc(1, sizeof *made);
      if (made == NULL) give_up("calloc");
#ifndef FIXED
      __atomic_store_n(&instance, made, __ATOMIC_RELEASE); // RACE:1
#endif
      made->port = 8080;
      made->host = "localhost";
      __atomic_store_n(&instance, made, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&lock);
  }
  return instance;
}

static void *serve(void *argument) {
  struct settings *mine = settings();
  if (READ_ONCE(mine->port) != 8080 || READ_ONCE(mine->host) == NULL) fail("the settings are used before they are filled in");
  return argument;
}

int main(void) {
  pthread_t first = start(serve, NULL), second = start(serve, NULL);
  finish(first);
  finish(second);
  free(instance);
  return 0;
}
