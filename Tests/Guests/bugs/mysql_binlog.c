// shows: while the binary log is rotated it is closed for a moment; a statement that asks then is not logged at all.
// fails: signal 6
// preemptions: 1
// source: MySQL bug 791, MYSQL_LOG::new_file against the test of is_open (studied by Lu et al., ASPLOS 2008)
#include "bug.h"

enum { CLOSED, OPEN };
static struct { pthread_mutex_t lock; int state, file, entries[2]; } binlog = {PTHREAD_MUTEX_INITIALIZER, OPEN, 0, {0, 0}};

static void *rotate(void *argument) {
  pthread_mutex_lock(&binlog.lock);
  WRITE_ONCE(binlog.state, CLOSED); // RACE:1
  binlog.file = 1;
  WRITE_ONCE(binlog.state, OPEN);
  pthread_mutex_unlock(&binlog.lock);
  return argument;
}

static void *insert(void *argument) {
#ifndef FIXED
  if (READ_ONCE(binlog.state) != OPEN) return argument; // RACE:2
#endif
  pthread_mutex_lock(&binlog.lock);
  if (binlog.state == OPEN) binlog.entries[binlog.file]++;
  pthread_mutex_unlock(&binlog.lock);
  return argument;
}

int main(void) {
  pthread_t rotation = start(rotate, NULL), statement = start(insert, NULL);
  finish(rotation);
  finish(statement);
  if (binlog.entries[0] + binlog.entries[1] != 1) fail("the statement is not in the binary log");
  return 0;
}
