// shows: a counter that one instruction adds to, which is no atomic one: it loads and stores, and another processor comes between.
// fails: signal 6
// preemptions: 1
#include "bug.h"

static int requests;

static void *serve_page(void *argument) {
#ifdef FIXED
  __atomic_add_fetch(&requests, 1, __ATOMIC_SEQ_CST);
#else
  __asm__ volatile("addl $1, %0" : "+m"(requests) : : "cc"); // RACE:1
#endif
  return argument;
}

static void *serve_file(void *argument) {
#ifdef FIXED
  __atomic_add_fetch(&requests, 1, __ATOMIC_SEQ_CST);
#else
  __asm__ volatile("addl $1, %0" : "+m"(requests) : : "cc"); // RACE:2
#endif
  return argument;
}

int main(void) {
  pthread_t page = start(serve_page, NULL), file = start(serve_file, NULL);
  finish(page);
  finish(file);
  if (requests != 2) fail("a request was not counted");
  return 0;
}
