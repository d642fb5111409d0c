// shows: a signal handler that comes between two stores of the main code and sees a new name with the old length.
// fails: signal 6
// preemptions: 1
#include <signal.h>

#include "bug.h"

static const char *volatile task_name = "idle";
static volatile size_t task_name_length = 4;
static volatile sig_atomic_t reports;

static void report(int number) {
  (void)number;
  size_t length = task_name_length; // RACE:2
  if (length != strlen(task_name)) fail("the handler saw a name with the length of another");
  reports = reports + 1;
}

static void set_task(const char *name, size_t length) {
#ifdef FIXED
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
#endif
  task_name = name; // RACE:1
  task_name_length = length;
#ifdef FIXED
  pthread_sigmask(SIG_SETMASK, &before, NULL);
#endif
}

static pthread_t main_thread;

static void *ask(void *argument) {
  pthread_kill(main_thread, SIGUSR1);
  return argument;
}

int main(void) {
  main_thread = pthread_self();
  struct sigaction action = {.sa_handler = report, .sa_flags = SA_RESTART};
  sigaction(SIGUSR1, &action, NULL);
  pthread_t asker = start(ask, NULL);
  set_task("compress", 8);
  set_task("encrypt the backup", 18);
  set_task("idle", 4);
  finish(asker);
  return reports != 1;
}
