// shows: every read and write form: pread, pwrite, readv, writev, preadv2, sendfile, copy_file_range, lseek, holes, truncate, fallocate, limits.
// build: static -O1 -static
#include <sys/sendfile.h>
#include "guest.h"

static void on_limit(int number) { (void)number; }

int main(void) {
  char text[64] = {0}, left[4], right[8];
  struct stat status;
  int file = OK(open("data", O_CREAT | O_RDWR | O_TRUNC, 0600));
  CHECK(write(file, "0123456789", 10) == 10);
  CHECK(pread(file, text, 4, 3) == 4 && memcmp(text, "3456", 4) == 0);
  CHECK(lseek(file, 0, SEEK_CUR) == 10);
  CHECK(pwrite(file, "AB", 2, 1) == 2);
  struct iovec into[2] = {{left, 4}, {right, 8}};
  OK(lseek(file, 0, SEEK_SET));
  CHECK(readv(file, into, 2) == 10 && memcmp(left, "0AB3", 4) == 0 && memcmp(right, "456789", 6) == 0);
  struct iovec from[3] = {{"xx", 2}, {NULL, 0}, {"yyy", 3}};
  CHECK(writev(file, from, 3) == 5);
  CHECK(pwritev(file, from, 3, 0) == 5);
  CHECK(preadv(file, into, 2, 2) == 12);
  CHECK(preadv2(file, into, 1, 0, 0) == 4 && memcmp(left, "xxyy", 4) == 0);
  FAILS(readv(file, into, -1), EINVAL);
  FAILS(pread(file, text, 4, -1), EINVAL);
  FAILS(read(file, (void *)16, 4) == -1 ? -1 : (lseek(file, 0, SEEK_SET), read(file, (void *)16, 4)), EFAULT);
  CHECK(lseek(file, -3, SEEK_END) == 12);
  FAILS(lseek(file, -100, SEEK_SET), EINVAL);
  FAILS(lseek(file, 0, 99), EINVAL);
  CHECK(lseek(file, 100000, SEEK_SET) == 100000);
  CHECK(read(file, text, 1) == 0);
  CHECK(write(file, "end", 3) == 3);
  OK(fstat(file, &status));
  CHECK(status.st_size == 100003);
  CHECK(pread(file, text, 5, 50000) == 5 && memcmp(text, "\0\0\0\0\0", 5) == 0);
  OK(ftruncate(file, 5));
  OK(ftruncate(file, 20));
  CHECK(pread(file, text, 64, 0) == 20 && text[4] == 'y' && text[5] == 0 && text[19] == 0);
  OK(truncate("data", 3));
  OK(fstat(file, &status));
  CHECK(status.st_size == 3);
  FAILS(ftruncate(file, -1), EINVAL);
  FAILS(truncate("absent", 0), ENOENT);
  OK(fallocate(file, 0, 0, 5000));
  OK(fstat(file, &status));
  CHECK(status.st_size == 5000);
  OK(fsync(file));
  OK(fdatasync(file));
  ZERO(posix_fadvise(file, 0, 0, POSIX_FADV_SEQUENTIAL));

  int copy = OK(open("copy", O_CREAT | O_RDWR | O_TRUNC, 0600));
  OK(lseek(file, 0, SEEK_SET));
  CHECK(sendfile(copy, file, NULL, 10000) == 5000);
  off_t offset = 1;
  CHECK(sendfile(copy, file, &offset, 2) == 2 && offset == 3);
  loff_t source = 0, target = 0;
  CHECK(copy_file_range(file, &source, copy, &target, 3, 0) == 3 && source == 3 && target == 3);
  CHECK(pread(copy, text, 3, 0) == 3 && memcmp(text, "xxy", 3) == 0);

  char *big = malloc(3 << 20);
  for (int i = 0; i < 3 << 20; i++) big[i] = (char)(i * 7 % 253);
  CHECK(pwrite(file, big, 3 << 20, 0) == 3 << 20);
  char *check = malloc(3 << 20);
  CHECK(pread(file, check, 3 << 20, 0) == 3 << 20 && memcmp(big, check, 3 << 20) == 0);

  signal(SIGXFSZ, on_limit);
  struct rlimit limit = {1000, RLIM_INFINITY};
  OK(setrlimit(RLIMIT_FSIZE, &limit));
  int limited = OK(open("limited", O_CREAT | O_RDWR | O_TRUNC, 0600));
  CHECK(write(limited, big, 2000) == 1000);
  FAILS(write(limited, big, 1), EFBIG);
  return guest_done("read_write");
}
