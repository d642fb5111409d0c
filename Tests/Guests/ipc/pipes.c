// shows: pipes: order, EOF, full and empty, O_NONBLOCK, FIONREAD, sizes, EPIPE and SIGPIPE, fifo.
// build: static -O1 -pthread -static
#include <sys/ioctl.h>
#include "guest.h"

static volatile int signals;
static void on_pipe(int number) { (void)number; signals++; }

static void *slow_reader(void *argument) {
  char buffer[3000];
  long total = 0;
  ssize_t got;
  while ((got = read((int)(long)argument, buffer, sizeof buffer)) > 0) {
    for (ssize_t i = 0; i < got; i++) CHECK(buffer[i] == (char)((total + i) % 251));
    total += got;
    sched_yield();
  }
  return (void *)total;
}

int main(void) {
  int ends[2], available;
  char buffer[70000];
  OK(pipe(ends));
  CHECK(write(ends[1], "hello", 5) == 5);
  OK(ioctl(ends[0], FIONREAD, &available));
  CHECK(available == 5);
  CHECK(read(ends[0], buffer, 2) == 2 && read(ends[0], buffer + 2, 100) == 3 && memcmp(buffer, "hello", 5) == 0);
  OK(fcntl(ends[0], F_SETFL, O_NONBLOCK));
  FAILS(read(ends[0], buffer, 1), EAGAIN);
  CHECK(fcntl(ends[1], F_GETPIPE_SZ) == 65536);
  OK(fcntl(ends[1], F_SETFL, O_NONBLOCK));
  memset(buffer, 'x', sizeof buffer);
  CHECK(write(ends[1], buffer, sizeof buffer) == 65536);
  FAILS(write(ends[1], "y", 1), EAGAIN);
  CHECK(read(ends[0], buffer, 4096) == 4096);
  CHECK(write(ends[1], buffer, 4096) == 4096);
  FAILS(lseek(ends[0], 0, SEEK_SET), ESPIPE);
  FAILS(write(ends[0], "x", 1), EBADF);
  FAILS(read(ends[1], buffer, 1), EBADF);
  close(ends[1]);
  long drained = 0;
  ssize_t got;
  while ((got = read(ends[0], buffer, sizeof buffer)) > 0) drained += got;
  CHECK(drained == 65536 && got == 0);
  close(ends[0]);

  OK(pipe2(ends, O_CLOEXEC));
  CHECK(fcntl(ends[0], F_GETFD) == FD_CLOEXEC);
  close(ends[0]);
  signal(SIGPIPE, SIG_IGN);
  FAILS(write(ends[1], "x", 1), EPIPE);
  signal(SIGPIPE, on_pipe);
  FAILS(write(ends[1], "x", 1), EPIPE);
  CHECK(signals == 1);
  close(ends[1]);
  pid_t child = OK(fork());
  if (child == 0) {
    signal(SIGPIPE, SIG_DFL);
    pipe(ends);
    close(ends[0]);
    write(ends[1], "x", 1);
    _exit(0);
  }
  CHECK(guest_wait(child) == SIGPIPE);

  OK(pipe(ends));
  pthread_t thread;
  ZERO(pthread_create(&thread, NULL, slow_reader, (void *)(long)ends[0]));
  for (long at = 0; at < 500000;) {
    size_t size = 20000;
    for (size_t i = 0; i < size; i++) buffer[i] = (char)((at + (long)i) % 251);
    ssize_t wrote = write(ends[1], buffer, size);
    CHECK(wrote == (ssize_t)size);
    at += (long)size;
  }
  close(ends[1]);
  void *total;
  ZERO(pthread_join(thread, &total));
  CHECK((long)total == 500000);
  printf("through %ld\n", (long)total);

  OK(mkfifo("fifo", 0600));
  child = OK(fork());
  if (child == 0) {
    int file = OK(open("fifo", O_WRONLY));
    write(file, "by name", 7);
    _exit(0);
  }
  int file = OK(open("fifo", O_RDONLY));
  CHECK(read(file, buffer, 100) == 7 && memcmp(buffer, "by name", 7) == 0);
  CHECK(read(file, buffer, 100) == 0);
  CHECK(guest_wait(child) == 0);
  unlink("fifo");
  return guest_done("pipes");
}
