// shows: many files: 1,000 created, renamed, read back and removed over three folders; content hash at the end.
// build: static -O1 -static
#include "guest.h"

int main(void) {
  char path[64], text[64];
  unsigned long hash = 5381;
  for (int i = 0; i < 3; i++) {
    snprintf(path, sizeof path, "d%d", i);
    OK(mkdir(path, 0755));
  }
  for (int i = 0; i < 1000; i++) {
    char target[64];
    snprintf(path, sizeof path, "d%d/f%d", i % 3, i);
    int file = OK(open(path, O_CREAT | O_WRONLY | O_EXCL, 0600));
    int length = snprintf(text, sizeof text, "file number %d\n", i);
    CHECK(write(file, text, (size_t)length) == length);
    OK(close(file));
    snprintf(target, sizeof target, "d%d/g%d", (i + 1) % 3, i);
    if (i % 2) OK(rename(path, target));
  }
  for (int i = 0; i < 1000; i++) {
    snprintf(path, sizeof path, i % 2 ? "d%d/g%d" : "d%d/f%d", (i + i % 2) % 3, i);
    int file = OK(open(path, O_RDONLY));
    ssize_t got = read(file, text, sizeof text);
    for (ssize_t j = 0; j < got; j++) hash = hash * 33 + (unsigned char)text[j];
    OK(close(file));
    OK(unlink(path));
  }
  for (int i = 0; i < 3; i++) {
    snprintf(path, sizeof path, "d%d", i);
    OK(rmdir(path));
  }
  printf("hash %lx\n", hash);
  return guest_done("many_files");
}
