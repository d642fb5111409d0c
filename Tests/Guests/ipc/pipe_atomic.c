// shows: writes of at most PIPE_BUF from several processes are never mixed; splice, tee and vmsplice move what pipes hold.
// build: static -O1 -static
#include "guest.h"

enum { writers = 4, records = 200, size = 512 };

int main(void) {
  int ends[2];
  OK(pipe(ends));
  for (int w = 0; w < writers; w++) {
    pid_t child = OK(fork());
    if (child == 0) {
      char record[size];
      memset(record, 'a' + w, size);
      for (int i = 0; i < records; i++)
        if (write(ends[1], record, size) != size) _exit(1);
      _exit(0);
    }
  }
  close(ends[1]);
  int counts[writers] = {0};
  char record[size];
  for (;;) {
    size_t have = 0;
    ssize_t got = 0;
    while (have < size && (got = read(ends[0], record + have, size - have)) > 0) have += (size_t)got;
    if (have == 0) break;
    CHECK(have == size);
    for (int i = 1; i < size; i++)
      if (record[i] != record[0]) {
        guest_fail(__FILE__, __LINE__, "mixed record");
        break;
      }
    counts[record[0] - 'a']++;
  }
  for (int w = 0; w < writers; w++) {
    int status;
    CHECK(wait(&status) > 0 && status == 0);
    CHECK(counts[w] == records);
  }
  close(ends[0]);

  int left[2], right[2];
  char text[32] = {0};
  OK(pipe(left));
  OK(pipe(right));
  CHECK(write(left[1], "abcdef", 6) == 6);
  CHECK(tee(left[0], right[1], 4, 0) == 4);
  CHECK(read(right[0], text, 32) == 4 && memcmp(text, "abcd", 4) == 0);
  CHECK(splice(left[0], NULL, right[1], NULL, 100, 0) == 6);
  CHECK(read(right[0], text, 32) == 6 && memcmp(text, "abcdef", 6) == 0);
  int file = OK(open("spliced", O_CREAT | O_RDWR | O_TRUNC, 0600));
  CHECK(write(left[1], "to file", 7) == 7);
  CHECK(splice(left[0], NULL, file, NULL, 7, 0) == 7);
  CHECK(pread(file, text, 32, 0) == 7 && memcmp(text, "to file", 7) == 0);
  loff_t offset = 3;
  CHECK(splice(file, &offset, right[1], NULL, 4, 0) == 4);
  CHECK(read(right[0], text, 32) == 4 && memcmp(text, "file", 4) == 0);
  unlink("spliced");
  return guest_done("pipe_atomic");
}
