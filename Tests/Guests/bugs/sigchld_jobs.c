// shows: the SIGCHLD handler removes a job before the shell has added it to its list, where it then stays for ever.
// fails: signal 6
// preemptions: 1
// source: Bryant and O'Hallaron, "Computer Systems: A Programmer's Perspective", the race between main and the handler of its shell (procmask1.c)
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bug.h"

static volatile pid_t jobs[4];

static void add_job(pid_t pid) {
  for (int i = 0; i < 4; i++)
    if (jobs[i] == 0) {
      jobs[i] = pid; // RACE:1
      return;
    }
}

static void reap(int number) {
  (void)number;
  int saved = errno;
  pid_t pid;
  while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
    for (int i = 0; i < 4; i++)
      if (jobs[i] == pid) jobs[i] = 0; // RACE:2
  errno = saved;
}

int main(void) {
  struct sigaction action = {.sa_handler = reap, .sa_flags = SA_RESTART};
  sigaction(SIGCHLD, &action, NULL);
  sigset_t child, before;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
#ifdef FIXED
  sigprocmask(SIG_BLOCK, &child, &before);
#endif
  pid_t pid = fork();
  if (pid == -1) give_up("fork");
  if (pid == 0) _exit(0);
  add_job(pid);
#ifndef FIXED
  sigprocmask(SIG_BLOCK, &child, &before);
#endif
  // The shell's wait for the foreground: until the child has been reaped, listed or not.
  while (kill(pid, 0) == 0) sigsuspend(&before);
  if (jobs[0] != 0) fail("a dead job stays on the list");
  return 0;
}
