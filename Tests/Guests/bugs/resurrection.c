// shows: an object is looked up and gets a new reference after its count has come to zero; then its last owner frees it.
// fails: signal 6
// preemptions: 2
// source: the rule of Linux' Documentation/core-api/kref.rst that a look-up takes kref_get_unless_zero or shares a lock with the last put
#include "bug.h"

struct session {
  int references, user;
};

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static struct session only = {1, 1000}, *table = &only;

static void put(struct session *session) {
  if (__atomic_sub_fetch(&session->references, 1, __ATOMIC_SEQ_CST) > 0) return; // RACE:1
  pthread_mutex_lock(&table_lock);
  table = NULL;
  pthread_mutex_unlock(&table_lock);
  poison(&session->user, sizeof session->user);
}

static struct session *get(void) {
  pthread_mutex_lock(&table_lock);
  struct session *found = table;
#ifdef FIXED
  int count = found ? READ_ONCE(found->references) : 0;
  while (count > 0 && !__atomic_compare_exchange_n(&found->references, &count, count + 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {}
  if (count == 0) found = NULL;
#else
  if (found) __atomic_add_fetch(&found->references, 1, __ATOMIC_SEQ_CST);
#endif
  pthread_mutex_unlock(&table_lock);
  return found;
}

static void *log_out(void *argument) {
  put(&only);
  return argument;
}

static void *request(void *argument) {
  struct session *mine = get();
  if (mine == NULL) return argument;
  if (READ_ONCE(mine->user) != 1000) fail("a session is used after it was freed"); // RACE:2
  put(mine);
  return argument;
}

int main(void) {
  pthread_t first = start(log_out, NULL), second = start(request, NULL);
  finish(first);
  finish(second);
  return table != NULL;
}
