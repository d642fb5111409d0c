// shows: every kind of ELF image: static, static-PIE, PIE, fixed address, old linker styles, with constructors, TLS and relocations.
// build: static -O1 -static
// build: staticpie -O1 -static-pie -fPIE
// build: pie -O1 -fPIE -pie
// build: nopie -O1 -no-pie
// build: now -O1 -Wl,-z,now -Wl,-z,relro
// build: lazy -O1 -Wl,-z,lazy -Wl,-z,norelro
// build: strip -O2 -s
#include "guest.h"

static int constructed;
static __thread int thread_value = 31;
static int zeroed[100000];
static int filled[1000] = {[999] = 5};
static void (*pointers[2])(void);
__attribute__((constructor)) static void construct(void) { constructed = 1; }
__attribute__((destructor)) static void destruct(void) { printf("destructor\n"); }
static void first(void) { constructed++; }

int main(void) {
  pointers[0] = pointers[1] = first;
  pointers[0]();
  CHECK(constructed == 2 && thread_value == 31 && zeroed[99999] == 0 && filled[999] == 5);
  static const char *const table[] = {"relocated", "strings"};
  printf("%s %s %.3f\n", table[0], table[1], 2.5);
  return guest_done("kinds");
}
