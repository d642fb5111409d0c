// shows: vfork, which shares translated code and memory with its parent until exec or exit, 50 times, and posix_spawn from threads.
// build: static -O1 -pthread -static
#include <spawn.h>
#include "guest.h"

static volatile int shared;
static void *spawner(void *argument) {
  for (int i = 0; i < 10; i++) {
    pid_t child;
    char *const arguments[] = {"sh", "-c", "exit 5", NULL};
    char *const environment[] = {NULL};
    ZERO(posix_spawn(&child, "/bin/sh", NULL, NULL, arguments, environment));
    CHECK(guest_wait(child) == 5 << 8);
  }
  return argument;
}

int main(void) {
  for (int i = 0; i < 50; i++) {
    pid_t child = vfork();
    if (child == 0) {
      shared++;
      if (i % 2) execl("/bin/true", "true", NULL);
      _exit(3);
    }
    CHECK(child > 0 && shared == i + 1);
    CHECK(guest_wait(child) == (i % 2 ? 0 : 3 << 8));
  }
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) ZERO(pthread_create(&threads[i], NULL, spawner, NULL));
  for (int i = 0; i < 2; i++) ZERO(pthread_join(threads[i], NULL));
  return guest_done("vfork_many");
}
