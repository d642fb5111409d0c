// shows: mutex, condvar and barrier shared by four processes in a MAP_SHARED page.
// build: static -O1 -pthread -static
#include "guest.h"

struct shared {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  pthread_barrier_t barrier;
  int turn, order[40], used;
};

static void play(struct shared *shared, int me) {
  pthread_barrier_wait(&shared->barrier);
  for (int i = 0; i < 10; i++) {
    pthread_mutex_lock(&shared->lock);
    while (shared->turn != me) pthread_cond_wait(&shared->changed, &shared->lock);
    shared->order[shared->used++] = me;
    shared->turn = (me + 1) % 4;
    pthread_cond_broadcast(&shared->changed);
    pthread_mutex_unlock(&shared->lock);
  }
}

int main(void) {
  struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(shared != MAP_FAILED);
  pthread_mutexattr_t mutex;
  pthread_condattr_t condition;
  pthread_barrierattr_t barrier;
  pthread_mutexattr_init(&mutex);
  pthread_condattr_init(&condition);
  pthread_barrierattr_init(&barrier);
  pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
  pthread_condattr_setpshared(&condition, PTHREAD_PROCESS_SHARED);
  pthread_barrierattr_setpshared(&barrier, PTHREAD_PROCESS_SHARED);
  ZERO(pthread_mutex_init(&shared->lock, &mutex));
  ZERO(pthread_cond_init(&shared->changed, &condition));
  ZERO(pthread_barrier_init(&shared->barrier, &barrier, 4));
  pid_t children[3];
  for (int i = 0; i < 3; i++) {
    children[i] = OK(fork());
    if (children[i] == 0) {
      play(shared, i + 1);
      _exit(0);
    }
  }
  play(shared, 0);
  for (int i = 0; i < 3; i++) CHECK(guest_wait(children[i]) == 0);
  for (int i = 0; i < 40; i++) CHECK(shared->order[i] == i % 4);
  printf("turns %d\n", shared->used);
  return guest_done("process_shared");
}
