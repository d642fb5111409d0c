// shows: execve keeps pid, cwd, umask, ignored signals and open files; drops handlers, close-on-exec; fexecve; limits.
// build: static -O1 -static
// build: dynamic -O1
#include <sys/prctl.h>
#include "guest.h"

static void handler(int number) { (void)number; }

static int second_image(char **argv, char **environment) {
  CHECK(atoi(argv[2]) == getpid());
  printf("argument '%s' environment '%s' '%s'\n", argv[3], environment[0], environment[1] ? environment[1] : "none");
  struct sigaction action;
  OK(sigaction(SIGUSR1, NULL, &action));
  CHECK(action.sa_handler == SIG_DFL);
  OK(sigaction(SIGUSR2, NULL, &action));
  CHECK(action.sa_handler == SIG_IGN);
  sigset_t mask;
  sigprocmask(SIG_SETMASK, NULL, &mask);
  CHECK(sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGINT) == 0);
  CHECK(umask(022) == 027);
  FAILS(fcntl(50, F_GETFD), EBADF);
  CHECK(fcntl(51, F_GETFD) == 0);
  char name[16];
  OK(prctl(PR_GET_NAME, name));
  printf("name %s\n", name);
  return guest_done("exec");
}

int main(int argc, char **argv, char **environment) {
  if (argc > 1 && strcmp(argv[1], "second") == 0) return second_image(argv, environment);
  if (argc > 1 && strcmp(argv[1], "big") == 0) return argc == 1002 ? 9 : 1;
  signal(SIGUSR1, handler);
  signal(SIGUSR2, SIG_IGN);
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGTERM);
  sigprocmask(SIG_SETMASK, &mask, NULL);
  umask(027);
  int file = OK(open("/dev/null", O_RDONLY));
  OK(dup3(file, 50, O_CLOEXEC));
  OK(dup2(file, 51));
  fflush(stdout);
  pid_t child = OK(fork());
  if (child == 0) {
    char *many[1003];
    many[0] = argv[0];
    many[1] = "big";
    for (int i = 2; i < 1002; i++) many[i] = "0123456789";
    many[1002] = NULL;
    int self = OK(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    fexecve(self, many, environment);
    _exit(99);
  }
  CHECK(guest_wait(child) == 9 << 8);
  char *huge = malloc(3 << 20);
  memset(huge, 'a', (3 << 20) - 1);
  huge[(3 << 20) - 1] = 0;
  char *const too_long[] = {argv[0], huge, NULL};
  FAILS(execve("/proc/self/exe", too_long, environment), E2BIG);
  char pid[16];
  snprintf(pid, sizeof pid, "%d", getpid());
  OK(prctl(PR_SET_NAME, "renamed"));
  char *const arguments[] = {"zero", "second", pid, "with spaces", NULL};
  char *const variables[] = {"ONE=1", "TWO=two", NULL};
  if (guest_failures) return 1;
  char path[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  CHECK(length > 0);
  path[length > 0 ? length : 0] = 0;
  const char *base = strrchr(path, '/') + 1;
  CHECK(symlink(path, "exec-link") == 0 || errno == EEXIST);
  (void)base;
  execve("exec-link", arguments, variables);
  guest_fail(__FILE__, __LINE__, "execve");
  return 1;
}
