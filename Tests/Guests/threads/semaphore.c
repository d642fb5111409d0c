// shows: unnamed, process-shared and named semaphores; try and timed waits; EINTR from a handler.
// build: static -O1 -pthread -static
#include "guest.h"

static sem_t items, spaces;
static int inside, most;

static void *body(void *argument) {
  (void)argument;
  for (int i = 0; i < 50; i++) {
    sem_wait(&spaces);
    int now = __atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST);
    if (now > most) most = now;
    sched_yield();
    __atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
    sem_post(&spaces);
    sem_post(&items);
  }
  return NULL;
}

static void on_alarm(int number) { (void)number; }

int main(void) {
  pthread_t threads[6];
  OK(sem_init(&items, 0, 0));
  OK(sem_init(&spaces, 0, 2));
  for (int i = 0; i < 6; i++) ZERO(pthread_create(&threads[i], NULL, body, NULL));
  for (int i = 0; i < 300; i++) OK(sem_wait(&items));
  for (int i = 0; i < 6; i++) ZERO(pthread_join(threads[i], NULL));
  CHECK(most <= 2);
  FAILS(sem_trywait(&items), EAGAIN);
  struct timespec deadline = guest_deadline(CLOCK_REALTIME, 20);
  FAILS(sem_timedwait(&items, &deadline), ETIMEDOUT);

  struct sigaction action = {.sa_handler = on_alarm};
  sigaction(SIGALRM, &action, NULL);
  struct itimerval timer = {.it_value = {0, 20000}};
  setitimer(ITIMER_REAL, &timer, NULL);
  FAILS(sem_wait(&items), EINTR);

  sem_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  OK(sem_init(shared, 1, 0));
  pid_t child = OK(fork());
  if (child == 0) {
    for (int i = 0; i < 3; i++) sem_post(shared);
    _exit(0);
  }
  for (int i = 0; i < 3; i++) OK(sem_wait(shared));
  CHECK(guest_wait(child) == 0);

  const char *name = "/replaysb-guest-semaphore";
  sem_unlink(name);
  sem_t *named = sem_open(name, O_CREAT | O_EXCL, 0600, 1);
  CHECK(named != SEM_FAILED);
  if (named != SEM_FAILED) {
    int value = -1;
    OK(sem_wait(named));
    OK(sem_getvalue(named, &value));
    CHECK(value == 0);
    OK(sem_close(named));
    OK(sem_unlink(name));
    FAILS((long)sem_open(name, 0) == 0 ? -1 : 0, ENOENT);
  }
  return guest_done("semaphore");
}
