// shows: arguments, environment and standard input arrive; auxiliary vector is sane; output by write, writev and stdio keeps its order.
// build: static -O1 -static
// build: dynamic -O1
// args: one "two words" '' --flag
// stdin: first line\nsecond line without end
#include <sys/auxv.h>
#include "guest.h"

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) printf("argument %d '%s'\n", i, argv[i]);
  CHECK(getauxval(AT_PAGESZ) == 4096);
  CHECK(getauxval(AT_UID) == getuid() && getauxval(AT_SECURE) == 0 && getauxval(AT_CLKTCK) == 100);
  CHECK(getauxval(AT_RANDOM) != 0 && getauxval(AT_PHDR) != 0 && getauxval(AT_ENTRY) != 0);
  CHECK(strcmp((char *)getauxval(AT_PLATFORM), "x86_64") == 0);
  CHECK(strstr((char *)getauxval(AT_EXECFN), "arguments"));
  CHECK(getenv("PATH") != NULL);
  char line[100];
  while (fgets(line, sizeof line, stdin)) printf("line '%s'\n", line);
  CHECK(feof(stdin));
  fflush(stdout);
  struct iovec parts[2] = {{"by writev ", 10}, {"in two\n", 7}};
  CHECK(writev(1, parts, 2) == 17);
  CHECK(write(2, "to stderr\n", 10) == 10);
  return guest_done("arguments");
}
