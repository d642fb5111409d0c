// shows: dup, dup2, dup3, fcntl, close_range, lowest free number, shared offsets and flags, O_NONBLOCK, FIOCLEX, stdio on all of it.
// build: static -O1 -static
#include <sys/ioctl.h>
#include "guest.h"

int main(void) {
  char text[32] = {0};
  int file = OK(open("descriptor", O_CREAT | O_RDWR | O_TRUNC, 0600));
  int copy = OK(dup(file));
  CHECK(copy == file + 1);
  OK(write(file, "abcdef", 6));
  OK(lseek(copy, 2, SEEK_SET));
  CHECK(read(file, text, 1) == 1 && text[0] == 'c');
  OK(fcntl(file, F_SETFL, O_APPEND | O_NONBLOCK));
  CHECK((fcntl(copy, F_GETFL) & (O_APPEND | O_NONBLOCK)) == (O_APPEND | O_NONBLOCK));
  OK(fcntl(file, F_SETFD, FD_CLOEXEC));
  CHECK(fcntl(copy, F_GETFD) == 0);
  CHECK(dup2(file, 30) == 30);
  CHECK(fcntl(30, F_GETFD) == 0);
  CHECK(dup2(file, file) == file && fcntl(file, F_GETFD) == FD_CLOEXEC);
  FAILS(dup3(file, file, 0), EINVAL);
  CHECK(dup3(file, 31, O_CLOEXEC) == 31 && fcntl(31, F_GETFD) == FD_CLOEXEC);
  CHECK(fcntl(file, F_DUPFD, 20) == 20);
  CHECK(fcntl(file, F_DUPFD_CLOEXEC, 20) == 21 && fcntl(21, F_GETFD) == FD_CLOEXEC);
  FAILS(dup(99), EBADF);
  FAILS(dup2(99, 5), EBADF);
  FAILS(fcntl(file, 9999, 0), EINVAL);
  OK(ioctl(copy, FIOCLEX));
  CHECK(fcntl(copy, F_GETFD) == FD_CLOEXEC);
  OK(ioctl(copy, FIONCLEX));
  CHECK(fcntl(copy, F_GETFD) == 0);
  FAILS(ioctl(file, TCGETS, text), ENOTTY);
  CHECK(!isatty(file));
  OK(close_range(20, 31, 0));
  FAILS(fcntl(30, F_GETFD), EBADF);
  OK(close(file));
  FAILS(close(file), EBADF);
  CHECK(open("descriptor", O_RDONLY) == file);
  FILE *stream = fdopen(copy, "r+");
  CHECK(stream != NULL);
  rewind(stream);
  CHECK(fgets(text, sizeof text, stream) && strcmp(text, "abcdef") == 0);
  fclose(stream);
  FILE *temporary = tmpfile();
  CHECK(temporary != NULL);
  fprintf(temporary, "%d lines\n", 3);
  rewind(temporary);
  CHECK(fgets(text, sizeof text, temporary) && strcmp(text, "3 lines\n") == 0);
  fclose(temporary);
  return guest_done("descriptors");
}
