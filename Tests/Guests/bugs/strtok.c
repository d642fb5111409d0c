// shows: two threads split strings by strtok, whose position is one static variable: a thread goes on in the other's string.
// fails: signal 6
// preemptions: 1
// source: strtok(3), section ATTRIBUTES: MT-Unsafe race:strtok
#include "bug.h"

static void parse(char *line, const char *key, const char *value) {
#ifdef FIXED
  char *state;
  const char *first = strtok_r(line, "=", &state), *second = strtok_r(NULL, "=", &state);
#else
  const char *first = strtok(line, "=");  // RACE:1
  const char *second = strtok(NULL, "="); // RACE:2
#endif
  if (first == NULL || strcmp(first, key) != 0 || second == NULL || strcmp(second, value) != 0) fail("a line was parsed wrongly");
}

static void *read_environment(void *argument) {
  char line[] = "PATH=/bin:/usr/bin";
  parse(line, "PATH", "/bin:/usr/bin");
  return argument;
}

static void *read_options(void *argument) {
  char line[] = "level=3";
  parse(line, "level", "3");
  return argument;
}

int main(void) {
  pthread_t first = start(read_environment, NULL), second = start(read_options, NULL);
  finish(first);
  finish(second);
  return 0;
}
