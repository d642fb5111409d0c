// shows: SHOW PROCESSLIST tests a thread's proc_info and then uses it, while the thread sets it to NULL.
// fails: signal 11
// preemptions: 1
// source: MySQL, thd->proc_info in ha_innodb.cc (Lu et al., ASPLOS 2008; also in Arpaci-Dusseau, "Operating Systems: Three Easy Pieces")
#include "bug.h"

static const char *volatile proc_info = "sending data";
static char list[64];

static void *show_processlist(void *argument) {
#ifdef FIXED
  const char *info = proc_info;
  if (info != NULL) strncpy(list, info, sizeof list - 1);
#else
  if (proc_info != NULL)                            // RACE:1
    strncpy(list, (char *)proc_info, sizeof list - 1);
#endif
  return argument;
}

static void *end_statement(void *argument) {
  proc_info = NULL; // RACE:2
  return argument;
}

int main(void) {
  pthread_t shower = start(show_processlist, NULL), client = start(end_statement, NULL);
  finish(shower);
  finish(client);
  return list[0] != 0 && list[0] != 's';
}
