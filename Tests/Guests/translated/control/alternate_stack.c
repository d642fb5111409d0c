// shows: recursion without an end is caught on an alternate stack and left by siglongjmp, 20 times, in 2 threads as well.
// build: static -O1 -pthread -static
#include "guest.h"

static __thread sigjmp_buf back;
static __thread volatile long deepest;

static long __attribute__((noinline)) sink(long depth) {
  volatile char room[512];
  room[depth & 511] = 1;
  deepest = depth;
  return sink(depth + 1) + room[depth & 511];
}
static void caught(int number) { siglongjmp(back, number); }

static void *body(void *argument) {
  stack_t alternate = {.ss_sp = malloc(65536), .ss_size = 65536};
  OK(sigaltstack(&alternate, NULL));
  for (volatile int i = 0; i < 20; i++) {
    int got = sigsetjmp(back, 1);
    if (got == 0) sink(0);
    CHECK(got == SIGSEGV && deepest > 50);
    deepest = 0;
  }
  return argument;
}

int main(void) {
  struct sigaction action = {.sa_handler = caught, .sa_flags = SA_ONSTACK};
  OK(sigaction(SIGSEGV, &action, NULL));
  struct rlimit limit = {1 << 20, RLIM_INFINITY};
  OK(setrlimit(RLIMIT_STACK, &limit));
  pthread_attr_t attributes;
  ZERO(pthread_attr_init(&attributes));
  ZERO(pthread_attr_setstacksize(&attributes, 262144));
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) ZERO(pthread_create(&threads[i], &attributes, body, NULL));
  for (int i = 0; i < 2; i++) ZERO(pthread_join(threads[i], NULL));
  body(NULL);
  return guest_done("alternate_stack");
}
