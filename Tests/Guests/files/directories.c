// shows: getdents over 500 entries and a removal while reading, rewinddir, d_type, cwd calls, chroot-free paths, ftw over a tree.
// build: static -O1 -static
#include <dirent.h>
#include <ftw.h>
#include "guest.h"

static int compare(const void *left, const void *right) { return strcmp(*(char *const *)left, *(char *const *)right); }
static int visited, folders;
static int visit(const char *path, const struct stat *status, int kind, struct FTW *place) {
  (void)path, (void)status, (void)place;
  visited++;
  folders += kind == FTW_D || kind == FTW_DP;
  return 0;
}

int main(void) {
  char name[64], path[PATH_MAX], *names[600];
  OK(mkdir("folder", 0755));
  for (int i = 0; i < 500; i++) {
    snprintf(name, sizeof name, "folder/entry-%03d", i);
    if (i % 10 == 0) OK(mkdir(name, 0755));
    else if (i % 10 == 1) OK(symlink("x", name));
    else close((int)OK(open(name, O_CREAT | O_WRONLY, 0600)));
  }
  DIR *folder = opendir("folder");
  struct dirent *entry;
  int count = 0, kinds[3] = {0};
  while ((entry = readdir(folder))) {
    names[count++] = strdup(entry->d_name);
    if (entry->d_name[0] == '.') continue;
    struct stat status;
    OK(fstatat(dirfd(folder), entry->d_name, &status, AT_SYMLINK_NOFOLLOW));
    CHECK(status.st_ino == entry->d_ino);
    kinds[0] += entry->d_type == DT_DIR;
    kinds[1] += entry->d_type == DT_LNK;
    kinds[2] += entry->d_type == DT_REG;
  }
  CHECK(count == 502 && kinds[0] == 50 && kinds[1] == 50 && kinds[2] == 400);
  qsort(names, (size_t)count, sizeof names[0], compare);
  CHECK(strcmp(names[0], ".") == 0 && strcmp(names[1], "..") == 0 && strcmp(names[501], "entry-499") == 0);
  rewinddir(folder);
  int removed = 0;
  while ((entry = readdir(folder)))
    if (entry->d_type == DT_REG) removed += unlinkat(dirfd(folder), entry->d_name, 0) == 0;
  CHECK(removed == 400);
  closedir(folder);
  OK(nftw("folder", visit, 10, FTW_PHYS));
  CHECK(visited == 101 && folders == 51);
  FAILS(rmdir("folder"), ENOTEMPTY);
  CHECK(opendir("absent") == NULL && errno == ENOENT);

  char start[PATH_MAX];
  CHECK(getcwd(start, sizeof start) != NULL);
  OK(chdir("folder/entry-000"));
  CHECK(getcwd(path, sizeof path) != NULL);
  CHECK(strncmp(path, start, strlen(start)) == 0 && strcmp(path + strlen(start), "/folder/entry-000") == 0);
  OK(chdir("../.."));
  int inside = OK(open("folder", O_RDONLY | O_DIRECTORY));
  OK(fchdir(inside));
  OK(access("entry-010", F_OK));
  FAILS(chdir("entry-001"), ENOENT);
  CHECK(getcwd(path, 3) == NULL && errno == ERANGE);
  OK(mkdir("gone", 0755));
  OK(chdir("gone"));
  OK(rmdir("../gone"));
  CHECK(getcwd(path, sizeof path) == NULL && errno == ENOENT);
  FAILS(open("x", O_CREAT | O_WRONLY, 0600), ENOENT);
  OK(chdir(start));
  CHECK(realpath("folder/../folder/entry-000/..", path) && strcmp(path + strlen(start), "/folder") == 0);
  return guest_done("directories");
}
