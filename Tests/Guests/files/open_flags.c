// shows: open flags: O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_TMPFILE, O_CLOEXEC, openat; their errors; umask.
// build: static -O1 -static
#include "guest.h"

int main(void) {
  char text[64] = {0};
  struct stat status;
  umask(022);
  FAILS(open("absent", O_RDONLY), ENOENT);
  int file = OK(open("one", O_CREAT | O_EXCL | O_RDWR, 0666));
  OK(fstat(file, &status));
  CHECK((status.st_mode & 07777) == 0644 && status.st_size == 0 && status.st_nlink == 1 && status.st_uid == geteuid());
  FAILS(open("one", O_CREAT | O_EXCL | O_RDWR, 0666), EEXIST);
  CHECK(write(file, "first", 5) == 5);
  int append = OK(open("one", O_WRONLY | O_APPEND));
  CHECK(write(append, "-more", 5) == 5);
  OK(lseek(append, 0, SEEK_SET));
  CHECK(write(append, "!", 1) == 1);
  CHECK(pread(file, text, 64, 0) == 11 && memcmp(text, "first-more!", 11) == 0);
  CHECK(fcntl(append, F_GETFL) == (O_WRONLY | O_APPEND | 0100000));
  FAILS(read(append, text, 1), EBADF);
  int truncated = OK(open("one", O_RDWR | O_TRUNC | O_CLOEXEC));
  CHECK(fcntl(truncated, F_GETFD) == FD_CLOEXEC);
  OK(fstat(file, &status));
  CHECK(status.st_size == 0);
  OK(mkdir("folder", 0755));
  FAILS(open("one", O_RDONLY | O_DIRECTORY), ENOTDIR);
  FAILS(open("folder", O_WRONLY), EISDIR);
  FAILS(open("one/x", O_RDONLY), ENOTDIR);
  int folder = OK(open("folder", O_RDONLY | O_DIRECTORY));
  FAILS(read(folder, text, 1), EISDIR);
  int inside = OK(openat(folder, "inside", O_CREAT | O_WRONLY, 0600));
  CHECK(write(inside, "in", 2) == 2);
  OK(stat("folder/inside", &status));
  CHECK(status.st_size == 2);
  FAILS(openat(99, "inside", O_RDONLY), EBADF);
  FAILS(openat(file, "inside", O_RDONLY), ENOTDIR);
  OK(symlink("folder/inside", "link"));
  FAILS(open("link", O_RDONLY | O_NOFOLLOW), ELOOP);
  int through = OK(open("link", O_RDONLY));
  CHECK(read(through, text, 64) == 2);
  OK(symlink("nowhere", "dangling"));
  FAILS(open("dangling", O_RDONLY), ENOENT);
  FAILS(open("dangling", O_CREAT | O_EXCL | O_WRONLY, 0600), EEXIST);
  OK(open("dangling", O_CREAT | O_WRONLY, 0600));
  OK(stat("nowhere", &status));
  OK(symlink("circle", "circle"));
  FAILS(open("circle", O_RDONLY), ELOOP);
  int path = OK(open("one", O_PATH));
  FAILS(read(path, text, 1), EBADF);
  OK(fstat(path, &status));
  int temporary = open(".", O_TMPFILE | O_RDWR, 0600);
  if (temporary >= 0) CHECK(write(temporary, "t", 1) == 1 && pread(temporary, text, 1, 0) == 1);
  else CHECK(errno == EOPNOTSUPP || errno == EISDIR);
  char long_name[300];
  memset(long_name, 'n', sizeof long_name);
  long_name[299] = 0;
  FAILS(open(long_name, O_CREAT | O_WRONLY, 0600), ENAMETOOLONG);
  FAILS(open("", O_RDONLY), ENOENT);
  FAILS(open((const char *)16, O_RDONLY), EFAULT);
  struct rlimit limit = {40, 40};
  OK(setrlimit(RLIMIT_NOFILE, &limit));
  int last = -1, fd;
  while ((fd = open("one", O_RDONLY)) >= 0) last = fd;
  CHECK(errno == EMFILE && last == 39);
  return guest_done("open_flags");
}
