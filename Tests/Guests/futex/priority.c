// shows: raw PI futexes: owner word, FUTEX_WAITERS, try, EDEADLK, EPERM, owner death, hand-over.
// build: static -O1 -pthread -static
#include <linux/futex.h>
#include "guest.h"

static long futex(uint32_t *word, int operation, const struct timespec *timeout) {
  return syscall(SYS_futex, word, operation, 0, timeout, NULL, 0);
}
static uint32_t word;
static int order[3], used;

static void *locks(void *argument) {
  if (futex(&word, FUTEX_LOCK_PI_PRIVATE, NULL) != 0) guest_fail(__FILE__, __LINE__, "lock");
  CHECK((word & FUTEX_TID_MASK) == (uint32_t)gettid());
  order[used++] = (int)(long)argument;
  if (futex(&word, FUTEX_UNLOCK_PI_PRIVATE, NULL) != 0) guest_fail(__FILE__, __LINE__, "unlock");
  return NULL;
}
static void *tries(void *argument) {
  (void)argument;
  FAILS(futex(&word, FUTEX_TRYLOCK_PI_PRIVATE, NULL), EAGAIN);
  FAILS(futex(&word, FUTEX_UNLOCK_PI_PRIVATE, NULL), EPERM);
  struct timespec at = guest_deadline(CLOCK_REALTIME, 20);
  FAILS(futex(&word, FUTEX_LOCK_PI_PRIVATE, &at), ETIMEDOUT);
  return NULL;
}

int main(void) {
  pthread_t threads[3];
  OK(futex(&word, FUTEX_LOCK_PI_PRIVATE, NULL));
  CHECK(word == (uint32_t)gettid());
  FAILS(futex(&word, FUTEX_LOCK_PI_PRIVATE, NULL), EDEADLK);
  ZERO(pthread_create(&threads[0], NULL, tries, NULL));
  ZERO(pthread_join(threads[0], NULL));
  for (long i = 0; i < 3; i++) {
    ZERO(pthread_create(&threads[i], NULL, locks, (void *)i));
    guest_sleep_ms(20);
  }
  CHECK(word == ((uint32_t)gettid() | FUTEX_WAITERS));
  OK(futex(&word, FUTEX_UNLOCK_PI_PRIVATE, NULL));
  for (int i = 0; i < 3; i++) ZERO(pthread_join(threads[i], NULL));
  CHECK(used == 3);
  OK(futex(&word, FUTEX_TRYLOCK_PI_PRIVATE, NULL));
  OK(futex(&word, FUTEX_UNLOCK_PI_PRIVATE, NULL));
  CHECK((word & FUTEX_TID_MASK) == 0);
  word = 0x3ffffff0;  // nobody has this thread id
  FAILS(futex(&word, FUTEX_LOCK_PI_PRIVATE, NULL), ESRCH);
  return guest_done("priority");
}
