// shows: a signal handler that logs: it needs the lock that the interrupted code holds, so the thread waits for itself.
// fails: deadlock
// preemptions: 1
// source: the class of CVE-2024-6387 (sshd's SIGALRM handler called syslog, which is not async-signal-safe)
#include <signal.h>

#include "bug.h"

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char log_text[256];
static volatile sig_atomic_t timed_out;
static pthread_t session;

static void log_line(const char *line) {
  pthread_mutex_lock(&log_lock); // RACE:1
  strncat(log_text, line, sizeof log_text - strlen(log_text) - 1);
  pthread_mutex_unlock(&log_lock);
}

static void grace_time_over(int number) {
  (void)number;
#ifndef FIXED
  log_line("time-out\n"); // RACE:2
#endif
  timed_out = 1;
}

static void *clock_thread(void *argument) {
  pthread_kill(session, SIGALRM);
  return argument;
}

int main(void) {
  session = pthread_self();
  struct sigaction action = {.sa_handler = grace_time_over, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, NULL);
  pthread_t timer = start(clock_thread, NULL);
  log_line("hello\n");
  log_line("who is there?\n");
  finish(timer);
  if (timed_out) log_line("closing\n");
  return !timed_out;
}
