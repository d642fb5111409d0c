// shows: mapped files: private copies, shared writes seen by read and by another mapping, offsets, msync, truncation, exec bits, forks.
// build: static -O1 -static
#include "guest.h"

int main(void) {
  const size_t page = 4096;
  char text[16] = {0};
  int file = OK(open("mapped", O_CREAT | O_RDWR | O_TRUNC, 0600));
  for (int i = 0; i < 4; i++) {
    char block[4096];
    memset(block, '0' + i, sizeof block);
    CHECK(write(file, block, sizeof block) == 4096);
  }
  char *private_map = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
  char *shared = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED, file, (off_t)page);
  char *second = mmap(NULL, page, PROT_READ, MAP_SHARED, file, (off_t)(2 * page));
  CHECK(private_map[0] == '0' && private_map[3 * page] == '3' && shared[0] == '1' && second[0] == '2');
  private_map[0] = 'p';
  CHECK(pread(file, text, 1, 0) == 1 && text[0] == '0');
  memcpy(shared + page, "shared", 6);
  CHECK(memcmp(second, "shared", 6) == 0);
  CHECK(pread(file, text, 6, (off_t)(2 * page)) == 6 && memcmp(text, "shared", 6) == 0);
  CHECK(pwrite(file, "written", 7, (off_t)page) == 7);
  CHECK(memcmp(shared, "written", 7) == 0);
  OK(msync(shared, 2 * page, MS_SYNC));
  FAILS(msync(shared + 1, page, MS_SYNC), EINVAL);
  pid_t child = OK(fork());
  if (child == 0) {
    memcpy(shared, "by child", 8);
    private_map[page] = 'c';
    _exit(0);
  }
  CHECK(guest_wait(child) == 0);
  CHECK(memcmp(shared, "by child", 8) == 0);
  close(file);
  CHECK(shared[7] == 'd');  // the mapping outlives the descriptor
  OK(unlink("mapped"));
  shared[8] = '!';
  CHECK(shared[8] == '!');

  file = OK(open("mapped", O_CREAT | O_RDWR | O_TRUNC, 0600));
  CHECK(write(file, "short", 5) == 5);
  char *tail = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  CHECK(tail[4] == 't' && tail[5] == 0);
  tail[100] = 'x';  // beyond the end: never in the file
  struct stat status;
  OK(fstat(file, &status));
  CHECK(status.st_size == 5);
  int read_only = OK(open("mapped", O_RDONLY));
  FAILS(mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, read_only, 0), EACCES);
  char *copy = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE, read_only, 0);
  CHECK(copy != MAP_FAILED);
  copy[0] = 'S';
  FAILS(mmap(NULL, page, PROT_READ, MAP_PRIVATE, file, 5), EINVAL);
  int write_only = OK(open("mapped", O_WRONLY));
  FAILS(mmap(NULL, page, PROT_READ, MAP_PRIVATE, write_only, 0), EACCES);
  OK(unlink("mapped"));

  int memory = OK(memfd_create("guest", MFD_CLOEXEC));
  OK(ftruncate(memory, 8192));
  char *shared_memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
  memcpy(shared_memory + 5000, "memfd", 5);
  CHECK(pread(memory, text, 5, 5000) == 5 && memcmp(text, "memfd", 5) == 0);
  return guest_done("files");
}
