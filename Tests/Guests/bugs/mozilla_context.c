// shows: the last context to go clears the shared table, while another context that is on its way out still marks from it.
// fails: signal 6
// preemptions: 1
// source: Mozilla, js_DestroyContext: js_UnpinPinnedAtom against js_MarkAtom (Lu et al., ASPLOS 2008)
#include "bug.h"

enum { PINNED = 0xa70 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int contexts = 2, atoms = PINNED;

static void mark_atoms(void) {
  if (READ_ONCE(atoms) != PINNED) fail("atoms are marked after they were unpinned"); // RACE:1
}

static void unpin_atoms(void) { WRITE_ONCE(atoms, 0); } // RACE:2

static void *destroy_context(void *argument) {
#ifdef FIXED
  // Collects while it still counts as a user of the table.
  mark_atoms();
#endif
  pthread_mutex_lock(&lock);
  int last = --contexts == 0;
  pthread_mutex_unlock(&lock);
  if (last) unpin_atoms();
#ifndef FIXED
  else mark_atoms();
#endif
  return argument;
}

int main(void) {
  pthread_t first = start(destroy_context, NULL), second = start(destroy_context, NULL);
  finish(first);
  finish(second);
  return atoms != 0;
}
