// shows: read-copy-update with a count of readers: a reader fetches the pointer first and announces itself second.
// fails: signal 6
// preemptions: 1
#include "bug.h"

enum { ALIVE = 0x11fe };
struct route {
  int alive, gateway;
};

static struct route old_route = {ALIVE, 1}, new_route = {ALIVE, 2};
static struct route *current_route = &old_route;
static int readers;

static void *look_up(void *argument) {
#ifdef FIXED
  __atomic_add_fetch(&readers, 1, __ATOMIC_SEQ_CST);
  struct route *route = __atomic_load_n(&current_route, __ATOMIC_SEQ_CST);
#else
  struct route *route = __atomic_load_n(&current_route, __ATOMIC_SEQ_CST); // RACE:1
  __atomic_add_fetch(&readers, 1, __ATOMIC_SEQ_CST);
#endif
  if (READ_ONCE(route->alive) != ALIVE) fail("a reader uses a route that was reclaimed");
  __atomic_sub_fetch(&readers, 1, __ATOMIC_SEQ_CST);
  return argument;
}

static void *update(void *argument) {
  struct route *old = __atomic_exchange_n(&current_route, &new_route, __ATOMIC_SEQ_CST);
  // With readers about, the old one is left to the next update.
  if (__atomic_load_n(&readers, __ATOMIC_SEQ_CST) == 0) poison(old, sizeof *old); // RACE:2
  return argument;
}

int main(void) {
  pthread_t reader = start(look_up, NULL), writer = start(update, NULL);
  finish(reader);
  finish(writer);
  return current_route->gateway != 2;
}
