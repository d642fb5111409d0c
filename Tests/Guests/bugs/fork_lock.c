// shows: fork while another thread holds the logging lock: in the child nobody will ever release it.
// fails: deadlock
// preemptions: 2
// source: Python issue 6721, "Locks in the standard library should be sanitized on fork"
#include <sys/wait.h>
#include <unistd.h>

#include "bug.h"

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static int lines;

#ifdef FIXED
static void before_fork(void) { pthread_mutex_lock(&log_lock); }
static void after_fork(void) { pthread_mutex_unlock(&log_lock); }
#endif

static void log_line(void) {
  pthread_mutex_lock(&log_lock); // RACE:1
  lines++;
  pthread_mutex_unlock(&log_lock);
}

static void *work(void *argument) {
  log_line();
  log_line();
  return argument;
}

int main(void) {
#ifdef FIXED
  pthread_atfork(before_fork, after_fork, after_fork);
#endif
  pthread_t worker = start(work, NULL);
  pid_t pid = fork(); // RACE:2
  if (pid == -1) give_up("fork");
  if (pid == 0) {
    log_line();
    _exit(0);
  }
  finish(worker);
  int status = -1;
  waitpid(pid, &status, 0);
  return status != 0;
}
