// shows: posix_spawn with file actions, attributes, a path search; system and popen.
// build: static -O1 -static
// build: dynamic -O1
#include <spawn.h>
#include "guest.h"
extern char **environ;

int main(void) {
  int ends[2];
  OK(pipe2(ends, O_CLOEXEC));
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  ZERO(posix_spawn_file_actions_adddup2(&actions, ends[1], 1));
  ZERO(posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0));
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  posix_spawnattr_setsigdefault(&attributes, &set);
  posix_spawnattr_setpgroup(&attributes, 0);
  ZERO(posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP));
  signal(SIGUSR1, SIG_IGN);
  char *const arguments[] = {"sh", "-c", "echo spawned $1; exit 6", "sh", "word", NULL};
  pid_t child;
  ZERO(posix_spawnp(&child, "sh", &actions, &attributes, arguments, environ));
  close(ends[1]);
  char text[64] = {0};
  CHECK(read(ends[0], text, sizeof text) == 13);
  printf("%s", text);
  CHECK(guest_wait(child) == 6 << 8);
  CHECK(posix_spawn(&child, "/no/such/file", NULL, NULL, arguments, environ) == ENOENT);
  fflush(stdout);
  int status = system("exit 4");
  CHECK(WEXITSTATUS(status) == 4);
  FILE *stream = popen("echo from popen", "r");
  CHECK(stream != NULL);
  if (stream) {
    CHECK(fgets(text, sizeof text, stream) != NULL);
    printf("%s", text);
    CHECK(pclose(stream) == 0);
  }
  return guest_done("spawn");
}
