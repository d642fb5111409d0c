// shows: writes to host files stay in the overlay: a host file is changed, replaced, removed and made; the host keeps its state.
// build: static -O1 -static
// native: skip
// host-file: kept=original content
// host-absent: ESCAPED
#include "guest.h"

int main(void) {
  char text[64] = {0};
  int file = OK(open("kept", O_RDWR));
  CHECK(read(file, text, 64) == 16 && memcmp(text, "original content", 16) == 0);
  OK(pwrite(file, "CHANGED", 7, 0));
  OK(lseek(file, 0, SEEK_SET));
  CHECK(read(file, text, 64) == 16 && memcmp(text, "CHANGED", 7) == 0);
  char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  CHECK(map != MAP_FAILED && map[0] == 'C');
  map[0] = 'X';
  OK(fchmod(file, 0777));
  OK(ftruncate(file, 3));
  OK(rename("kept", "ESCAPED"));
  OK(link("ESCAPED", "kept"));
  OK(unlink("kept"));
  struct stat status;
  OK(stat("ESCAPED", &status));
  CHECK(status.st_size == 3);
  int disk = open("/dev/sda", O_RDWR), memory = open("/dev/mem", O_RDWR), port = open("/dev/port", O_RDWR);
  CHECK(disk == -1 && memory == -1 && port == -1);
  CHECK(open("/proc/sysrq-trigger", O_WRONLY) == -1);
  CHECK(syscall(SYS_reboot, 0, 0, 0, 0) == -1);
  CHECK(syscall(SYS_mount, "x", "/mnt", "tmpfs", 0, NULL) == -1);
  CHECK(syscall(SYS_init_module, NULL, 0, "") == -1);
  CHECK(syscall(SYS_iopl, 3) == -1);
  CHECK(syscall(SYS_bpf, 0, NULL, 0) == -1);
  CHECK(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0) == -1);
  CHECK(syscall(SYS_open_by_handle_at, -1, NULL, 0) == -1);
  return guest_done("host_files");
}
