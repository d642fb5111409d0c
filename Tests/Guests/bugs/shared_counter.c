// shows: a lost update between processes: tickets are drawn from a counter in shared memory.
// fails: exit 1
// preemptions: 1
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bug.h"

struct shared {
  int next_ticket;
  int drawn[8];
};

static void draw(struct shared *shared) {
#ifdef FIXED
  int ticket = __atomic_fetch_add(&shared->next_ticket, 1, __ATOMIC_SEQ_CST);
#else
  int ticket = READ_ONCE(shared->next_ticket);  // RACE:1
  WRITE_ONCE(shared->next_ticket, ticket + 1); // RACE:2
#endif
  __atomic_add_fetch(&shared->drawn[ticket], 1, __ATOMIC_SEQ_CST);
}

int main(void) {
  struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) give_up("mmap");
  pid_t pid = fork();
  if (pid == -1) give_up("fork");
  draw(shared);
  draw(shared);
  if (pid == 0) _exit(0);
  waitpid(pid, NULL, 0);
  for (int i = 0; i < 4; i++)
    if (shared->drawn[i] != 1) {
      fprintf(stderr, "failed: ticket %d was drawn %d times\n", i, shared->drawn[i]);
      return 1;
    }
  return 0;
}
