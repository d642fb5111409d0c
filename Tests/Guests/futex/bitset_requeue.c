// shows: FUTEX_WAKE_BITSET, FUTEX_REQUEUE, FUTEX_CMP_REQUEUE and FUTEX_WAKE_OP.
// build: static -O1 -pthread -static
#include <linux/futex.h>
#include "guest.h"

static long futex(uint32_t *word, int operation, uint32_t value, long timeout, uint32_t *second, uint32_t third) {
  return syscall(SYS_futex, word, operation, value, timeout, second, third);
}

static uint32_t word, other, woken_mask;
static int woken;
static void *bit_waiter(void *argument) {
  uint32_t bit = (uint32_t)(long)argument;
  if (futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, 0, NULL, bit) == 0) __atomic_or_fetch(&woken_mask, bit, __ATOMIC_SEQ_CST);
  return NULL;
}
static void *plain_waiter(void *argument) {
  CHECK(futex(argument, FUTEX_WAIT_PRIVATE, 0, 0, NULL, 0) == 0);
  __atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
  return NULL;
}

int main(void) {
  pthread_t threads[4];
  FAILS(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, 0, NULL, 0), EINVAL);
  for (long i = 0; i < 3; i++) ZERO(pthread_create(&threads[i], NULL, bit_waiter, (void *)(1L << i)));
  guest_sleep_ms(30);
  CHECK(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, 0, NULL, 8) == 0);
  CHECK(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, 0, NULL, 2) == 1);
  ZERO(pthread_join(threads[1], NULL));
  CHECK(woken_mask == 2);
  CHECK(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, 0, NULL, 5) == 2);
  ZERO(pthread_join(threads[0], NULL));
  ZERO(pthread_join(threads[2], NULL));
  CHECK(woken_mask == 7);

  for (int i = 0; i < 4; i++) ZERO(pthread_create(&threads[i], NULL, plain_waiter, &word));
  guest_sleep_ms(30);
  FAILS(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, 2, &other, 5), EAGAIN);
  CHECK(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, 2, &other, 0) == 3);
  guest_sleep_ms(10);
  CHECK(__atomic_load_n(&woken, __ATOMIC_SEQ_CST) == 1);
  CHECK(futex(&other, FUTEX_WAKE_PRIVATE, 10, 0, NULL, 0) == 2);
  guest_sleep_ms(10);
  CHECK(__atomic_load_n(&woken, __ATOMIC_SEQ_CST) == 3);
  CHECK(futex(&word, FUTEX_REQUEUE_PRIVATE, 0, 9, &other, 0) == 1);
  CHECK(futex(&word, FUTEX_WAKE_PRIVATE, 10, 0, NULL, 0) == 0);
  CHECK(futex(&other, FUTEX_WAKE_PRIVATE, 10, 0, NULL, 0) == 1);
  for (int i = 0; i < 4; i++) ZERO(pthread_join(threads[i], NULL));

  ZERO(pthread_create(&threads[0], NULL, plain_waiter, &word));
  ZERO(pthread_create(&threads[1], NULL, plain_waiter, &other));
  guest_sleep_ms(30);
  // other = other + 5, and waiters of `other` wake because its old value was 0.
  uint32_t code = FUTEX_OP(FUTEX_OP_ADD, 5, FUTEX_OP_CMP_EQ, 0);
  CHECK(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, 1, &other, code) == 2);
  CHECK(other == 5);
  for (int i = 0; i < 2; i++) ZERO(pthread_join(threads[i], NULL));
  code = FUTEX_OP(FUTEX_OP_SET, 9, FUTEX_OP_CMP_GT, 100);
  CHECK(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, 1, &other, code) == 0);
  CHECK(other == 9);
  return guest_done("bitset_requeue");
}
