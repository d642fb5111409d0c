// shows: /proc/self: maps, status, stat, exe, cwd, fd, fdinfo, cmdline, environ, comm, task, limits, auxv; pids listed.
// build: static -O1 -pthread -static
#include <dirent.h>
#include <sys/prctl.h>
#include "guest.h"

static char text[1 << 16];
static ssize_t load(const char *path) {
  int file = open(path, O_RDONLY);
  if (file < 0) {
    guest_fail(__FILE__, __LINE__, path);
    text[0] = 0;
    return -1;
  }
  size_t have = 0;
  ssize_t got;
  while (have < sizeof text - 1 && (got = read(file, text + have, sizeof text - 1 - have)) > 0) have += (size_t)got;
  text[have] = 0;
  close(file);
  return (ssize_t)have;
}
static int count_entries(const char *path) {
  DIR *folder = opendir(path);
  if (!folder) return -1;
  int count = 0;
  while (readdir(folder)) count++;
  closedir(folder);
  return count - 2;
}
static void *waits(void *argument) { return pthread_barrier_wait(argument), pthread_barrier_wait(argument), NULL; }

int main(void) {
  char path[PATH_MAX], target[PATH_MAX], needle[64];
  load("/proc/self/maps");
  CHECK(strstr(text, "[stack]") && strstr(text, "[heap]") && strstr(text, "proc_self"));
  snprintf(needle, sizeof needle, "r-xp");
  CHECK(strstr(text, needle));
  char *area = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  load("/proc/self/maps");
  unsigned long start, end;
  int found = 0;
  for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
    if (sscanf(line, "%lx-%lx", &start, &end) == 2) found |= start <= (unsigned long)area && (unsigned long)area < end && strstr(line, "---p") != NULL;
  CHECK(found);
  load("/proc/self/status");
  snprintf(needle, sizeof needle, "Pid:\t%d\n", getpid());
  CHECK(strstr(text, needle) && strstr(text, "State:\tR") && strstr(text, "VmRSS:") && strstr(text, "Threads:\t1\n") && strstr(text, "Uid:\t"));
  load("/proc/self/stat");
  int pid, parent;
  char state, name[64];
  CHECK(sscanf(text, "%d (%63[^)]) %c %d", &pid, name, &state, &parent) == 4 && pid == getpid() && parent == getppid() && state == 'R');
  int fields = 0;
  for (char *at = strrchr(text, ')'); *at; at++) fields += *at == ' ';
  CHECK(fields == 50);
  CHECK(load("/proc/self/statm") > 0);
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  CHECK(length > 0 && strstr(path, "proc_self"));
  length = readlink("/proc/self/cwd", path, sizeof path - 1);
  path[length > 0 ? length : 0] = 0;
  CHECK(getcwd(target, sizeof target) && strcmp(path, target) == 0);
  length = readlink("/proc/self", path, sizeof path - 1);
  path[length > 0 ? length : 0] = 0;
  CHECK(atoi(path) == getpid());
  int file = OK(open("proc-file", O_CREAT | O_RDWR, 0600));
  OK(write(file, "12345", 5));
  snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  length = readlink(path, target, sizeof target - 1);
  target[length > 0 ? length : 0] = 0;
  CHECK(strstr(target, "/proc-file"));
  int again = OK(open(path, O_RDONLY));
  CHECK(read(again, target, 5) == 5);
  CHECK(count_entries("/proc/self/fd") >= 5);
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", file);
  load(path);
  CHECK(strstr(text, "pos:\t5"));
  length = load("/proc/self/cmdline");
  CHECK(length > 0 && strstr(text, "proc_self") && text[length - 1] == 0);
  CHECK(load("/proc/self/environ") >= 0);
  OK(prctl(PR_SET_NAME, "fifteen-letters-and-more"));
  load("/proc/self/comm");
  CHECK(strcmp(text, "fifteen-letters\n") == 0);
  load("/proc/self/limits");
  CHECK(strstr(text, "Max open files"));
  CHECK(load("/proc/self/auxv") >= 100);
  pthread_barrier_t barrier;
  pthread_barrier_init(&barrier, NULL, 3);
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) ZERO(pthread_create(&threads[i], NULL, waits, &barrier));
  pthread_barrier_wait(&barrier);
  CHECK(count_entries("/proc/self/task") == 3);
  pthread_barrier_wait(&barrier);
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  snprintf(path, sizeof path, "/proc/%d/stat", getpid());
  CHECK(load(path) > 0);
  CHECK(open("/proc/999999/stat", O_RDONLY) == -1 && errno == ENOENT);
  unlink("proc-file");
  return guest_done("proc_self");
}
