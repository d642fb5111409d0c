// shows: a reference count that is decremented atomically and then read again: two threads see zero and both clean up.
// fails: signal 6
// preemptions: 1
// source: Apache httpd bug 21287, decrement_refcount in mod_mem_cache.c (studied by Lu et al., ASPLOS 2008)
#include "bug.h"

struct object {
  int references;
  int cleaned;
};

static struct object cached = {2, 0};

static void clean_up(struct object *object) {
  if (__atomic_exchange_n(&object->cleaned, 1, __ATOMIC_RELAXED)) fail("a cache object is freed twice");
}

static void drop(struct object *object) {
#ifdef FIXED
  if (__atomic_sub_fetch(&object->references, 1, __ATOMIC_SEQ_CST) == 0) clean_up(object);
#else
  __atomic_sub_fetch(&object->references, 1, __ATOMIC_SEQ_CST); // RACE:1
  if (READ_ONCE(object->references) == 0) clean_up(object);     // RACE:2
#endif
}

static void *end_request(void *argument) {
  drop(argument);
  return NULL;
}

int main(void) {
  pthread_t first = start(end_request, &cached), second = start(end_request, &cached);
  finish(first);
  finish(second);
  return !cached.cleaned;
}
