// shows: stat family: stat, lstat, fstatat, statx, access, chmod, chown, utimensat, link counts, device files, statfs.
// build: static -O1 -static
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include "guest.h"

int main(void) {
  struct stat status, other;
  umask(0);
  int file = OK(open("node", O_CREAT | O_RDWR | O_TRUNC, 0640));
  OK(write(file, "12345", 5));
  OK(link("node", "second"));
  OK(symlink("node", "link"));
  OK(stat("node", &status));
  OK(stat("second", &other));
  CHECK(status.st_ino == other.st_ino && status.st_dev == other.st_dev && status.st_nlink == 2);
  OK(stat("link", &other));
  CHECK(other.st_ino == status.st_ino);
  OK(lstat("link", &other));
  CHECK(S_ISLNK(other.st_mode) && other.st_size == 4 && other.st_ino != status.st_ino);
  OK(fstatat(AT_FDCWD, "link", &other, AT_SYMLINK_NOFOLLOW));
  CHECK(S_ISLNK(other.st_mode));
  OK(fstatat(file, "", &other, AT_EMPTY_PATH));
  CHECK(other.st_ino == status.st_ino && other.st_size == 5 && other.st_blksize > 0);
  struct statx extended;
  OK(statx(AT_FDCWD, "node", 0, STATX_BASIC_STATS, &extended));
  CHECK(extended.stx_size == 5 && extended.stx_ino == status.st_ino && (extended.stx_mode & 07777) == 0640);

  OK(chmod("node", 04711));
  OK(fstat(file, &status));
  CHECK((status.st_mode & 07777) == 04711);
  OK(fchmod(file, 0444));
  OK(fchmodat(AT_FDCWD, "second", 0600, 0));
  OK(fstat(file, &status));
  CHECK((status.st_mode & 07777) == 0600);
  OK(access("node", R_OK | W_OK));
  FAILS(access("node", X_OK), EACCES);
  FAILS(access("absent", F_OK), ENOENT);
  OK(faccessat(AT_FDCWD, "link", F_OK, AT_SYMLINK_NOFOLLOW));
  OK(chown("node", getuid(), getgid()));
  OK(fchown(file, (uid_t)-1, (gid_t)-1));
  OK(lchown("link", (uid_t)-1, (gid_t)-1));

  struct timespec times[2] = {{1000000000, 5}, {1100000000, 7}};
  OK(utimensat(AT_FDCWD, "node", times, 0));
  OK(stat("node", &status));
  CHECK(status.st_mtim.tv_sec == 1100000000 && status.st_mtim.tv_nsec == 7);
  times[1].tv_nsec = UTIME_OMIT;
  times[0].tv_sec = 1200000000;
  OK(futimens(file, times));
  OK(stat("node", &status));
  CHECK(status.st_mtim.tv_sec == 1100000000);
  times[1].tv_nsec = UTIME_NOW;
  OK(futimens(file, times));
  OK(stat("node", &status));
  CHECK(status.st_mtim.tv_sec > 1500000000);
  time_t before = status.st_mtim.tv_sec;
  OK(write(file, "6", 1));
  OK(stat("node", &status));
  CHECK(status.st_mtim.tv_sec >= before && status.st_ctim.tv_sec >= before && status.st_size == 6);

  OK(stat("/dev/null", &status));
  CHECK(S_ISCHR(status.st_mode) && major(status.st_rdev) == 1 && minor(status.st_rdev) == 3);
  OK(stat("/", &status));
  CHECK(S_ISDIR(status.st_mode));
  FAILS(stat("", &status), ENOENT);
  FAILS(stat("node/x", &status), ENOTDIR);
  FAILS(fstat(99, &status), EBADF);
  struct statfs system_status;
  OK(statfs(".", &system_status));
  CHECK(system_status.f_bsize > 0 && system_status.f_namelen == 255);
  OK(fstatfs(file, &system_status));
  return guest_done("stats");
}
