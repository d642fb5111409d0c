// shows: flock and fcntl record locks between processes: conflicts, ranges, waits, F_GETLK, EDEADLK, OFD locks, release on close.
// build: static -O1 -static
#include <sys/file.h>
#include "guest.h"

static int record(int fd, int command, int type, off_t start, off_t length) {
  struct flock lock = {.l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
  return fcntl(fd, command, &lock);
}

int main(void) {
  int ends[2], back[2];
  char byte;
  OK(pipe(ends));
  OK(pipe(back));
  int file = OK(open("locked", O_CREAT | O_RDWR | O_TRUNC, 0600));
  int second = OK(open("locked", O_RDWR));
  OK(flock(file, LOCK_EX));
  FAILS(flock(second, LOCK_EX | LOCK_NB), EWOULDBLOCK);
  OK(flock(file, LOCK_SH));
  OK(flock(second, LOCK_SH | LOCK_NB));
  OK(flock(file, LOCK_UN));
  OK(flock(second, LOCK_EX | LOCK_NB));
  pid_t child = OK(fork());
  if (child == 0) {
    close(second);
    int mine = OK(open("locked", O_RDWR));
    OK(write(back[1], "w", 1));
    OK(flock(mine, LOCK_EX));  // waits for the parent
    _exit(guest_failures);
  }
  OK(read(back[0], &byte, 1));
  guest_sleep_ms(10);
  OK(flock(second, LOCK_UN));
  CHECK(guest_wait(child) == 0);

  OK(record(file, F_SETLK, F_WRLCK, 10, 10));
  child = OK(fork());
  if (child == 0) {
    struct flock query = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
    OK(fcntl(file, F_GETLK, &query));
    CHECK(query.l_type == F_WRLCK && query.l_start == 10 && query.l_len == 10 && query.l_pid == getppid());
    FAILS(record(file, F_SETLK, F_RDLCK, 15, 1), EAGAIN);
    OK(record(file, F_SETLK, F_WRLCK, 0, 10));
    OK(record(file, F_SETLK, F_WRLCK, 20, 5));
    OK(write(back[1], "h", 1));
    OK(read(ends[0], &byte, 1));
    FAILS(record(file, F_SETLKW, F_WRLCK, 12, 1), EDEADLK);  // the parent waits for us
    _exit(guest_failures);
  }
  OK(read(back[0], &byte, 1));
  FAILS(record(file, F_SETLK, F_WRLCK, 5, 1), EAGAIN);
  pid_t helper = OK(fork());
  if (helper == 0) {
    guest_sleep_ms(30);
    write(ends[1], "g", 1);
    _exit(0);
  }
  OK(record(file, F_SETLKW, F_WRLCK, 5, 1));
  CHECK(guest_wait(child) == 0);
  CHECK(guest_wait(helper) == 0);
  OK(record(file, F_SETLK, F_UNLCK, 12, 3));  // splits
  struct flock ofd = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
  FAILS(fcntl(second, F_OFD_SETLK, &ofd), EAGAIN);
  ofd.l_start = 12;
  ofd.l_len = 3;
  OK(fcntl(second, F_OFD_SETLK, &ofd));
  close(OK(dup(file)) ? (int)OK(open("locked", O_RDONLY)) : -1);  // closing any descriptor drops the process's locks
  ofd.l_start = 5;
  ofd.l_len = 1;
  OK(fcntl(second, F_OFD_SETLK, &ofd));
  FAILS(record(file, F_SETLK, 99, 0, 1), EINVAL);
  return guest_done("locks");
}
