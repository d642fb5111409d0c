// shows: a tree of 2^5 processes: each waits for its children, exit statuses sum up; memory is copied, not shared.
// build: static -O1 -static
// build: dynamic -O1
#include "guest.h"

static int grow(int depth) {
  int private_value = depth;
  if (depth == 0) return 1;
  pid_t children[2];
  for (int i = 0; i < 2; i++) {
    children[i] = OK(fork());
    if (children[i] == 0) {
      private_value = 1000;
      (void)private_value;
      _exit(grow(depth - 1));
    }
  }
  int leaves = 0;
  for (int i = 0; i < 2; i++) {
    int status = guest_wait(children[i]);
    if (!WIFEXITED(status)) return 255;
    leaves += WEXITSTATUS(status);
  }
  return private_value == depth ? leaves : 254;
}

int main(void) {
  int leaves = grow(5);
  printf("leaves %d\n", leaves);
  CHECK(leaves == 32);
  FAILS(waitpid(-1, NULL, 0), ECHILD);
  return guest_done("fork_tree");
}
