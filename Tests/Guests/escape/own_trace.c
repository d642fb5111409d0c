// shows: the tool's own trace and temporary files are invisible: descriptors, /proc/self/fd, the working folder.
// oracle: skip
// build: static -O1 -static
// native: skip
// trace-in-cwd: yes
#include <dirent.h>
#include "guest.h"

int main(void) {
  for (int fd = 3; fd < 1024; fd++) FAILS(fcntl(fd, F_GETFD), EBADF);
  DIR *folder = opendir(".");
  struct dirent *entry;
  while ((entry = readdir(folder)))
    if (strstr(entry->d_name, ".zst") || strstr(entry->d_name, "journal")) guest_fail(__FILE__, __LINE__, entry->d_name);
  closedir(folder);
  FAILS(open("trace.zst", O_RDONLY), ENOENT);
  return guest_done("own_trace");
}
