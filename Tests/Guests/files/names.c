// shows: rename and its variants, link, symlink, readlink, unlink, mkdir, rmdir, open files without a name; errors.
// build: static -O1 -static
#include "guest.h"

static void put(const char *path, const char *content) {
  int file = OK(open(path, O_CREAT | O_WRONLY | O_TRUNC, 0644));
  OK(write(file, content, strlen(content)));
  close(file);
}
static int holds(const char *path, const char *content) {
  char text[64] = {0};
  int file = open(path, O_RDONLY);
  if (file < 0) return 0;
  ssize_t got = read(file, text, sizeof text - 1);
  close(file);
  return got >= 0 && strcmp(text, content) == 0;
}

int main(void) {
  char text[64] = {0};
  struct stat status;
  put("a", "content a");
  put("b", "content b");
  OK(rename("a", "c"));
  CHECK(holds("c", "content a"));
  FAILS(open("a", O_RDONLY), ENOENT);
  OK(rename("c", "b"));
  CHECK(holds("b", "content a"));
  put("d", "content d");
  OK(renameat2(AT_FDCWD, "b", AT_FDCWD, "d", RENAME_EXCHANGE));
  CHECK(holds("b", "content d") && holds("d", "content a"));
  FAILS(renameat2(AT_FDCWD, "b", AT_FDCWD, "d", RENAME_NOREPLACE), EEXIST);
  OK(renameat2(AT_FDCWD, "b", AT_FDCWD, "e", RENAME_NOREPLACE));
  FAILS(rename("absent", "x"), ENOENT);
  OK(mkdir("one", 0755));
  OK(mkdir("one/two", 0755));
  put("one/two/file", "deep");
  FAILS(mkdir("one", 0755), EEXIST);
  FAILS(mkdir("absent/x", 0755), ENOENT);
  FAILS(rename("one", "one/two/inside"), EINVAL);
  FAILS(rename("e", "one"), EISDIR);
  FAILS(rename("one", "e"), ENOTDIR);
  OK(mkdir("empty", 0755));
  OK(rename("one", "empty"));
  CHECK(holds("empty/two/file", "deep"));
  OK(mkdir("full", 0755));
  put("full/x", "x");
  FAILS(rename("empty", "full") == -1 && (errno == ENOTEMPTY || errno == EEXIST) ? (errno = ENOTEMPTY, -1) : 0, ENOTEMPTY);
  FAILS(rmdir("full"), ENOTEMPTY);
  FAILS(rmdir("e"), ENOTDIR);
  FAILS(unlink("full"), EISDIR);
  OK(unlink("full/x"));
  OK(rmdir("full"));
  FAILS(rmdir("."), EINVAL);

  OK(link("d", "hard"));
  OK(unlink("d"));
  CHECK(holds("hard", "content a"));
  OK(link("hard", "again"));
  OK(rename("hard", "again"));  // the same file: nothing happens
  OK(stat("hard", &status));
  CHECK(status.st_nlink == 2);
  FAILS(link("empty", "folder-link"), EPERM);
  FAILS(link("hard", "again"), EEXIST);
  OK(symlink("again", "soft"));
  CHECK(readlink("soft", text, sizeof text) == 5 && memcmp(text, "again", 5) == 0);
  CHECK(readlink("soft", text, 2) == 2);
  FAILS(readlink("again", text, sizeof text), EINVAL);
  FAILS(symlink("x", "soft"), EEXIST);
  CHECK(holds("soft", "content a"));
  OK(symlink("empty/two", "folder"));
  CHECK(holds("folder/file", "deep") && holds("folder/../two/./file", "deep"));
  OK(unlink("folder"));
  CHECK(holds("empty/two/file", "deep"));

  int open_file = OK(open("again", O_RDWR));
  OK(unlink("again"));
  OK(unlink("hard"));
  OK(fstat(open_file, &status));
  CHECK(status.st_nlink == 0);
  CHECK(read(open_file, text, 9) == 9 && memcmp(text, "content a", 9) == 0);
  CHECK(write(open_file, "+", 1) == 1);
  int folder = OK(open("empty", O_RDONLY | O_DIRECTORY));
  OK(unlinkat(folder, "two/file", 0));
  OK(unlinkat(folder, "two", AT_REMOVEDIR));
  OK(mkdirat(folder, "new", 0700));
  OK(symlinkat("target", folder, "s"));
  CHECK(readlinkat(folder, "s", text, sizeof text) == 6);
  OK(renameat(folder, "s", AT_FDCWD, "moved"));
  OK(linkat(AT_FDCWD, "e", folder, "l", 0));
  CHECK(holds("empty/l", "content d"));
  OK(mknod("pipe-node", S_IFIFO | 0600, 0));
  OK(stat("pipe-node", &status));
  CHECK(S_ISFIFO(status.st_mode));
  return guest_done("names");
}
