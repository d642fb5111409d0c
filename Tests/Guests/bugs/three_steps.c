// shows: a table that moves while helpers copy: only three preemptions at the right places, in turn, lose the table.
// fails: signal 6
// preemptions: 3
#include "bug.h"

static int moving, helping, dropping;

// The mover announces a move, ends it, and drops the old table if somebody still copies from it.
static void *move(void *argument) {
  WRITE_ONCE(moving, 1);
  WRITE_ONCE(moving, 0); // first: the helper must come between these two
  if (READ_ONCE(helping)) {
#ifndef FIXED
    WRITE_ONCE(dropping, 1); // RACE:1
    WRITE_ONCE(dropping, 0); // third: the helper must look between these two
#endif
  }
  return argument;
}

static void *help(void *argument) {
  if (!READ_ONCE(moving)) return argument;
  WRITE_ONCE(helping, 1);
  WRITE_ONCE(helping, 0); // second: the mover must look between these two
  if (READ_ONCE(dropping)) fail("the helper copies from a table that is being dropped"); // RACE:2
  return argument;
}

int main(void) {
  pthread_t mover = start(move, NULL), helper = start(help, NULL);
  finish(mover);
  finish(helper);
  return 0;
}
