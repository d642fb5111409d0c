// shows: signals and threads: process-directed goes to a thread that lets it in, pthread_kill to the one, faults to the faulter.
// build: static -O1 -pthread -static
#include "guest.h"

static __thread volatile int my_calls;
static volatile int total, wrong_thread;
static pthread_t receiver;
static sem_t ready;

static void handler(int number) {
  (void)number;
  my_calls++;
  __atomic_add_fetch(&total, 1, __ATOMIC_SEQ_CST);
  if (!pthread_equal(pthread_self(), receiver)) wrong_thread++;
}
static __thread sigjmp_buf back;
static __thread volatile int faults;
static void on_fault(int number) {
  (void)number;
  faults++;
  siglongjmp(back, 1);
}

static void *receives(void *argument) {
  sigset_t set;
  (void)argument;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
  sem_post(&ready);
  while (my_calls < 5) guest_sleep_ms(1);
  return NULL;
}
static void *faulter(void *argument) {
  for (long i = 0; i < 10; i++) {
    if (!sigsetjmp(back, 1)) *(volatile long *)argument = i;
    sched_yield();
  }
  return (void *)(long)faults;
}

int main(void) {
  sigset_t set;
  sem_init(&ready, 0, 0);
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  struct sigaction action = {.sa_handler = handler};
  sigaction(SIGUSR1, &action, NULL);
  ZERO(pthread_create(&receiver, NULL, receives, NULL));
  sem_wait(&ready);
  for (int i = 0; i < 5; i++) {
    if (i % 2) ZERO(pthread_kill(receiver, SIGUSR1));
    else OK(kill(getpid(), SIGUSR1));
    while (__atomic_load_n(&total, __ATOMIC_SEQ_CST) <= i) guest_sleep_ms(1);
  }
  ZERO(pthread_join(receiver, NULL));
  CHECK(total == 5 && wrong_thread == 0);

  action.sa_handler = on_fault;
  sigaction(SIGSEGV, &action, NULL);
  pthread_t threads[4];
  for (long i = 0; i < 4; i++) ZERO(pthread_create(&threads[i], NULL, faulter, (void *)(8 * i)));
  for (int i = 0; i < 4; i++) {
    void *count;
    ZERO(pthread_join(threads[i], &count));
    CHECK((long)count == 10);
  }
  return guest_done("threads");
}
