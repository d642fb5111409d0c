// shows: /proc/cpuinfo, meminfo, stat, uptime, loadavg, version, mounts, sys/kernel; /dev null, zero, full, random, urandom, fd links, shm.
// build: static -O1 -static
#include "guest.h"

static char text[1 << 16];
static int has(const char *path, const char *needle) {
  FILE *stream = fopen(path, "r");
  if (!stream) return 0;
  size_t got = fread(text, 1, sizeof text - 1, stream);
  text[got] = 0;
  fclose(stream);
  return strstr(text, needle) != NULL;
}

int main(void) {
  CHECK(has("/proc/cpuinfo", "processor\t: 0"));
  CHECK(has("/proc/cpuinfo", "flags\t\t:"));
  CHECK(has("/proc/meminfo", "MemTotal:"));
  CHECK(has("/proc/meminfo", "MemAvailable:"));
  CHECK(has("/proc/stat", "cpu "));
  CHECK(has("/proc/stat", "btime "));
  CHECK(has("/proc/uptime", " "));
  CHECK(has("/proc/loadavg", "/"));
  CHECK(has("/proc/version", "Linux version"));
  CHECK(has("/proc/self/mounts", " / "));
  CHECK(has("/proc/sys/kernel/pid_max", "\n"));
  CHECK(has("/proc/sys/kernel/osrelease", "."));
  CHECK(has("/proc/filesystems", "proc"));
  CHECK(has("/sys/devices/system/cpu/online", "0"));
  char buffer[256];
  int null = OK(open("/dev/null", O_RDWR)), zero = OK(open("/dev/zero", O_RDWR)), full = OK(open("/dev/full", O_RDWR));
  CHECK(read(null, buffer, 10) == 0 && write(null, buffer, 10) == 10);
  memset(buffer, 1, sizeof buffer);
  CHECK(read(zero, buffer, 200) == 200 && buffer[0] == 0 && buffer[199] == 0 && buffer[200] == 1);
  CHECK(write(zero, buffer, 5) == 5);
  FAILS(write(full, buffer, 5), ENOSPC);
  CHECK(read(full, buffer, 5) == 5);
  int random_fd = OK(open("/dev/urandom", O_RDONLY));
  unsigned char one[64], two[64];
  CHECK(read(random_fd, one, 64) == 64 && read(random_fd, two, 64) == 64 && memcmp(one, two, 64) != 0);
  char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0);
  CHECK(page != MAP_FAILED && page[5000] == 0);
  OK(access("/dev/fd/0", F_OK));
  OK(access("/dev/stdin", F_OK));
  OK(access("/dev/shm", W_OK));
  CHECK(has("/proc/sys/kernel/random/boot_id", "-"));
  return guest_done("proc_system");
}
