// shows: eventfd: counter, semaphore mode, overflow blocks, non-blocking, across fork and threads, in poll.
// build: static -O1 -pthread -static
#include <sys/eventfd.h>
#include "guest.h"

static void *adds(void *argument) {
  uint64_t one = 1;
  for (int i = 0; i < 100; i++) OK(write((int)(long)argument, &one, 8));
  return NULL;
}

int main(void) {
  uint64_t value = 0;
  int event = OK(eventfd(3, EFD_NONBLOCK | EFD_CLOEXEC));
  CHECK(read(event, &value, 8) == 8 && value == 3);
  FAILS(read(event, &value, 8), EAGAIN);
  FAILS(read(event, &value, 4), EINVAL);
  value = UINT64_MAX;
  FAILS(write(event, &value, 8), EINVAL);
  value = UINT64_MAX - 1;
  OK(write(event, &value, 8));
  value = 1;
  FAILS(write(event, &value, 8), EAGAIN);
  struct pollfd check = {.fd = event, .events = POLLIN | POLLOUT};
  CHECK(poll(&check, 1, 0) == 1 && check.revents == POLLIN);
  CHECK(read(event, &value, 8) == 8 && value == UINT64_MAX - 1);
  CHECK(poll(&check, 1, 0) == 1 && check.revents == POLLOUT);

  int semaphore = OK(eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK));
  CHECK(read(semaphore, &value, 8) == 8 && value == 1);
  CHECK(read(semaphore, &value, 8) == 8 && value == 1);
  FAILS(read(semaphore, &value, 8), EAGAIN);

  int shared = OK(eventfd(0, 0));
  pthread_t threads[3];
  for (int i = 0; i < 3; i++) ZERO(pthread_create(&threads[i], NULL, adds, (void *)(long)shared));
  uint64_t total = 0;
  while (total < 300) {
    CHECK(read(shared, &value, 8) == 8);
    total += value;
  }
  for (int i = 0; i < 3; i++) ZERO(pthread_join(threads[i], NULL));
  CHECK(total == 300);
  pid_t child = OK(fork());
  if (child == 0) {
    value = 42;
    write(shared, &value, 8);
    _exit(0);
  }
  CHECK(read(shared, &value, 8) == 8 && value == 42);
  CHECK(guest_wait(child) == 0);
  return guest_done("eventfds");
}
