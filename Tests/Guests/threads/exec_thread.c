// shows: execve from a thread that is not the leader: the others die, the pid stays, the new image runs.
// build: static -O1 -pthread -static
#include "guest.h"

static char **arguments;
static void *blocked(void *a) { (void)a; for (;;) pause(); }
static void *execs(void *a) {
  (void)a;
  char pid[16];
  snprintf(pid, sizeof pid, "%d", getpid());
  sched_yield();
  execl("/proc/self/exe", arguments[0], pid, (char *)NULL);
  guest_fail(__FILE__, __LINE__, "execl");
  exit(1);
}

int main(int argc, char **argv) {
  if (argc > 1) {
    CHECK(atoi(argv[1]) == getpid());
    CHECK(gettid() == getpid());
    return guest_done("exec_thread");
  }
  arguments = argv;
  pthread_t thread;
  for (int i = 0; i < 3; i++) ZERO(pthread_create(&thread, NULL, blocked, NULL));
  ZERO(pthread_create(&thread, NULL, execs, NULL));
  for (;;) pause();
}
