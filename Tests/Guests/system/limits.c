// shows: rlimits (get, set, prlimit, raising refused, RLIMIT_NPROC, RLIMIT_AS), rusage, sysinfo, nice, scheduler calls, affinity.
// build: static -O1 -pthread -static
#include <sys/sysinfo.h>
#include "guest.h"

int main(void) {
  struct rlimit limit, old;
  for (int i = 0; i < RLIM_NLIMITS; i++) OK(getrlimit(i, &limit));
  OK(getrlimit(RLIMIT_NOFILE, &old));
  limit = (struct rlimit){50, old.rlim_max};
  OK(prlimit(0, RLIMIT_NOFILE, &limit, &old));
  OK(getrlimit(RLIMIT_NOFILE, &limit));
  CHECK(limit.rlim_cur == 50 && limit.rlim_max == old.rlim_max);
  limit = (struct rlimit){60, 50};
  FAILS(setrlimit(RLIMIT_NOFILE, &limit), EINVAL);
  FAILS(getrlimit(99, &limit), EINVAL);
  pid_t child = OK(fork());
  if (child == 0) {
    getrlimit(RLIMIT_NOFILE, &limit);
    CHECK(limit.rlim_cur == 50);
    limit = (struct rlimit){256 << 20, 256 << 20};
    OK(setrlimit(RLIMIT_AS, &limit));
    FAILS(mmap(NULL, 300 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
    CHECK(malloc(1 << 20) != NULL);
    _exit(guest_failures);
  }
  CHECK(guest_wait(child) == 0);
  struct rusage usage;
  OK(getrusage(RUSAGE_SELF, &usage));
  CHECK(usage.ru_maxrss > 0);
  OK(getrusage(RUSAGE_CHILDREN, &usage));
  OK(getrusage(RUSAGE_THREAD, &usage));
  FAILS(getrusage(99, &usage), EINVAL);
  struct sysinfo info;
  OK(sysinfo(&info));
  CHECK(info.totalram > 0 && info.procs > 0 && info.mem_unit > 0);
  CHECK(sysconf(_SC_NPROCESSORS_ONLN) >= 1 && sysconf(_SC_PAGESIZE) == 4096);
  cpu_set_t set;
  CPU_ZERO(&set);
  OK(sched_getaffinity(0, sizeof set, &set));
  CHECK(CPU_COUNT(&set) >= 1);
  int first = 0;
  while (!CPU_ISSET(first, &set)) first++;
  CPU_ZERO(&set);
  CPU_SET(first, &set);
  OK(sched_setaffinity(0, sizeof set, &set));
  OK(sched_getaffinity(0, sizeof set, &set));
  CHECK(CPU_COUNT(&set) == 1);
  CPU_ZERO(&set);
  FAILS(sched_setaffinity(0, sizeof set, &set), EINVAL);
  CHECK(sched_getcpu() >= 0);
  CHECK(sched_getscheduler(0) == SCHED_OTHER);
  struct sched_param parameter = {0};
  OK(sched_getparam(0, &parameter));
  CHECK(sched_get_priority_max(SCHED_FIFO) == 99 && sched_get_priority_min(SCHED_FIFO) == 1);
  OK(sched_yield());
  errno = 0;
  int before = getpriority(PRIO_PROCESS, 0);
  CHECK(errno == 0);
  OK(setpriority(PRIO_PROCESS, 0, before + 5 > 19 ? 19 : before + 5));
  CHECK(getpriority(PRIO_PROCESS, 0) == (before + 5 > 19 ? 19 : before + 5));
  unsigned char random_bytes[300] = {0}, zero[300] = {0};
  CHECK(getrandom(random_bytes, 300, 0) == 300 && memcmp(random_bytes, zero, 300) != 0);
  CHECK(getrandom(random_bytes, 16, GRND_NONBLOCK) == 16);
  FAILS(getrandom(random_bytes, 16, 0x1000), EINVAL);
  FAILS(getrandom((void *)8, 16, 0), EFAULT);
  FAILS(syscall(9999), ENOSYS);
  FAILS(syscall(-1), ENOSYS);
  return guest_done("limits");
}
