// shows: what execve refuses: missing, directory, no permission, not a program, empty, truncated ELF, 32-bit ELF, loops.
// build: static -O1 -static
#include "guest.h"

static void make(const char *path, const char *content, size_t length, mode_t mode) {
  int file = OK(open(path, O_CREAT | O_TRUNC | O_WRONLY, mode));
  CHECK(write(file, content, length) == (ssize_t)length);
  close(file);
  chmod(path, mode);
}

static int run(const char *path, const char *word) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    execl(path, path, word, (char *)NULL);
    _exit(100 + errno);
  }
  int status = guest_wait(child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int main(void) {
  make("empty", "", 0, 0755);
  make("text", "this is text\n", 13, 0755);
  make("plain", "#!/bin/sh\nexit 3\n", 17, 0644);
  make("elf-start", "\177ELF\2\1\1", 7, 0755);
  char thirty_two[64] = "\177ELF\1\1\1";
  thirty_two[16] = 2;
  thirty_two[18] = 3;
  make("elf32", thirty_two, sizeof thirty_two, 0755);
  make("no-interpreter", "#!/no/such/interpreter\n", 23, 0755);
  make("script", "#!/bin/sh -e\necho script \"$1\"\nexit 7\n", 37, 0755);
  make("indirect", "#!./script extra\n", 17, 0755);
  make("loop", "#!./loop\n", 9, 0755);
  mkdir("folder", 0755);
  symlink("circle", "circle");
  CHECK(run("missing", "") == 100 + ENOENT);
  CHECK(run("missing/under", "") == 100 + ENOENT);
  CHECK(run("text/under", "") == 100 + ENOTDIR);
  CHECK(run("folder", "") == 100 + EACCES);
  CHECK(run("plain", "") == 100 + EACCES);
  CHECK(run("empty", "") == 100 + ENOEXEC);
  CHECK(run("text", "") == 100 + ENOEXEC);
  CHECK(run("elf-start", "") == 100 + ENOEXEC);
  CHECK(run("elf32", "") == 100 + ENOEXEC);
  CHECK(run("no-interpreter", "") == 100 + ENOENT);
  CHECK(run("circle", "") == 100 + ELOOP);
  CHECK(run("loop", "") == 100 + ELOOP);
  CHECK(run("script", "word") == 7);
  CHECK(run("indirect", "word") == 7);
  FAILS(execve((const char *)8, NULL, NULL), EFAULT);
  return guest_done("exec_errors");
}
