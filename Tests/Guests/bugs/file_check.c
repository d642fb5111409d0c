// shows: two processes check for a lock file and then create it: both hold the lock.
// fails: exit 1
// preemptions: 1
// source: Bishop and Dilger, "Checking for Race Conditions in File Accesses", Computing Systems 1996: time of check to time of use
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bug.h"

static char folder[] = "/tmp/bug-file-check-XXXXXX", path[64];
static int *holders;

static int try_lock(void) {
#ifdef FIXED
  int file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
#else
  if (access(path, F_OK) == 0) return 0;                     // RACE:1
  int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600); // RACE:2
#endif
  if (file == -1) return 0;
  dprintf(file, "%d\n", (int)getpid());
  close(file);
  return 1;
}

int main(void) {
  holders = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (holders == MAP_FAILED || mkdtemp(folder) == NULL) give_up("set-up");
  snprintf(path, sizeof path, "%s/lock", folder);
  pid_t pid = fork();
  if (pid == -1) give_up("fork");
  if (try_lock()) __atomic_add_fetch(holders, 1, __ATOMIC_SEQ_CST);
  if (pid == 0) _exit(0);
  waitpid(pid, NULL, 0);
  unlink(path);
  rmdir(folder);
  if (*holders == 1) return 0;
  fprintf(stderr, "failed: %d processes hold the lock file\n", *holders);
  return 1;
}
