// shows: after fork memory, file offsets and mappings behave: private copies, shared offsets, shared mappings.
// build: static -O1 -static
#include "guest.h"

int main(void) {
  size_t size = 8 << 20;
  unsigned char *private_memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  unsigned char *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (size_t i = 0; i < size; i += 4096) private_memory[i] = (unsigned char)(i >> 12);
  int file = OK(open("cow-file", O_CREAT | O_RDWR | O_TRUNC, 0600));
  CHECK(write(file, "0123456789", 10) == 10);
  OK(lseek(file, 2, SEEK_SET));
  pid_t child = OK(fork());
  if (child == 0) {
    for (size_t i = 0; i < size; i += 4096) {
      CHECK(private_memory[i] == (unsigned char)(i >> 12));
      private_memory[i] = 0xee;
      shared[i] = (unsigned char)(i >> 13);
    }
    char two[2];
    CHECK(read(file, two, 2) == 2 && two[0] == '2');
    close(file);
    _exit(guest_failures);
  }
  CHECK(guest_wait(child) == 0);
  for (size_t i = 0; i < size; i += 4096) {
    CHECK(private_memory[i] == (unsigned char)(i >> 12));
    CHECK(shared[i] == (unsigned char)(i >> 13));
  }
  CHECK(lseek(file, 0, SEEK_CUR) == 4);
  unlink("cow-file");
  for (int i = 0; i < 200; i++) {
    child = OK(fork());
    if (child == 0) _exit(i & 0x7f);
    CHECK(guest_wait(child) == (i & 0x7f) << 8);
  }
  return guest_done("fork_cow");
}
