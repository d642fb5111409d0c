// shows: calls of the vsyscall page (gettimeofday, time, getcpu) answer, or fault as a page that is not there.
// build: static -O1 -static
#include "guest.h"

static sigjmp_buf back;
static siginfo_t seen;
static void caught(int number, siginfo_t *info, void *context) {
  (void)number, (void)context;
  seen = *info;
  siglongjmp(back, 1);
}

static int listed(void) {
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[512];
  int found = 0;
  CHECK(maps != NULL);
  while (maps && fgets(line, sizeof line, maps)) found |= strstr(line, "[vsyscall]") != NULL;
  if (maps) fclose(maps);
  return found;
}

int main(void) {
  struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO};
  OK(sigaction(SIGSEGV, &action, NULL));
  int there = listed();
  time_t (*volatile vtime)(time_t *) = (time_t (*)(time_t *))0xffffffffff600400;
  int (*volatile vday)(struct timeval *, void *) = (int (*)(struct timeval *, void *))0xffffffffff600000;
  long (*volatile vcpu)(unsigned *, unsigned *, void *) = (long (*)(unsigned *, unsigned *, void *))0xffffffffff600800;
  if (sigsetjmp(back, 1) == 0) {
    time_t before = time(NULL), got = vtime(NULL), after = time(NULL);
    // The coarse clock of time() may lag behind by a tick.
    CHECK(got >= before - 1 && got <= after + 1);
    struct timeval now = {0, 0};
    CHECK(vday(&now, NULL) == 0 && now.tv_sec >= before - 1 && now.tv_sec <= time(NULL) + 1);
    unsigned cpu = ~0u;
    CHECK(vcpu(&cpu, NULL, NULL) == 0 && cpu < 4096);
  } else {
    CHECK(!there);
    CHECK(seen.si_signo == SIGSEGV && seen.si_addr == (void *)0xffffffffff600400);
  }
  // Any other address of the page, and reading it, is a fault.
  if (sigsetjmp(back, 1) == 0) {
    ((void (*volatile)(void))0xffffffffff600123)();
    CHECK(!"came back");
  } else {
    CHECK(seen.si_signo == SIGSEGV);
  }
  return guest_done("vsyscall");
}
