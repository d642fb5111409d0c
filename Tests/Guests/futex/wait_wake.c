// shows: raw futexes: EAGAIN, wait and wake counts, timeouts relative and absolute, EINTR, shared between processes.
// build: static -O1 -pthread -static
#include <linux/futex.h>
#include "guest.h"

static long futex(uint32_t *word, int operation, uint32_t value, const struct timespec *timeout, uint32_t *second, uint32_t third) {
  return syscall(SYS_futex, word, operation, value, timeout, second, third);
}

static uint32_t word, arrived;
static void *waiter(void *argument) {
  (void)argument;
  __atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
  while (__atomic_load_n(&word, __ATOMIC_SEQ_CST) == 0) futex(&word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
  return NULL;
}
static void on_alarm(int number) { (void)number; }

int main(void) {
  FAILS(futex(&word, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0), EAGAIN);
  CHECK(futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) == 0);
  FAILS(futex((uint32_t *)((char *)&word + 1), FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0), EINVAL);
  FAILS(futex((uint32_t *)16, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0), EFAULT);
  struct timespec bad = {0, 1000000000}, brief = {0, 20000000};
  FAILS(futex(&word, FUTEX_WAIT_PRIVATE, 0, &bad, NULL, 0), EINVAL);
  int64_t before = guest_now_ns(CLOCK_MONOTONIC);
  FAILS(futex(&word, FUTEX_WAIT_PRIVATE, 0, &brief, NULL, 0), ETIMEDOUT);
  CHECK(guest_now_ns(CLOCK_MONOTONIC) - before >= 20000000);
  struct timespec at = guest_deadline(CLOCK_MONOTONIC, 20);
  FAILS(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, &at, NULL, ~0u), ETIMEDOUT);
  at = guest_deadline(CLOCK_REALTIME, 20);
  FAILS(futex(&word, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 0, &at, NULL, ~0u), ETIMEDOUT);

  struct sigaction action = {.sa_handler = on_alarm};
  sigaction(SIGALRM, &action, NULL);
  struct itimerval timer = {.it_value = {0, 20000}};
  setitimer(ITIMER_REAL, &timer, NULL);
  struct timespec longer = {50, 0};
  FAILS(futex(&word, FUTEX_WAIT_PRIVATE, 0, &longer, NULL, 0), EINTR);

  pthread_t threads[4];
  for (int i = 0; i < 4; i++) ZERO(pthread_create(&threads[i], NULL, waiter, NULL));
  while (__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) < 4) sched_yield();
  guest_sleep_ms(20);
  CHECK(futex(&word, FUTEX_WAKE_PRIVATE, 3, NULL, NULL, 0) == 3);
  guest_sleep_ms(20);
  __atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
  CHECK(futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0) == 4);
  for (int i = 0; i < 4; i++) ZERO(pthread_join(threads[i], NULL));

  uint32_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t child = OK(fork());
  if (child == 0) {
    while (__atomic_load_n(shared, __ATOMIC_SEQ_CST) == 0) futex(shared, FUTEX_WAIT, 0, NULL, NULL, 0);
    _exit(4);
  }
  guest_sleep_ms(20);
  __atomic_store_n(shared, 1, __ATOMIC_SEQ_CST);
  CHECK(futex(shared, FUTEX_WAKE, 1, NULL, NULL, 0) == 1);
  CHECK(guest_wait(child) == 4 << 8);
  return guest_done("wait_wake");
}
