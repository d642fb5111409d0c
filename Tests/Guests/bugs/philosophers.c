// shows: five threads that each take the left fork first: a cycle of five locks (one preemption in the right order, four in most).
// fails: deadlock
// preemptions: 1
// source: Dijkstra's dining philosophers; SCTBench, CS.din_phil5_sat
#include "bug.h"

enum { SEATS = 5 };
static pthread_mutex_t forks[SEATS];
static int meals[SEATS];

static void *dine(void *argument) {
  int seat = (int)(long)argument;
  int left = seat, right = (seat + 1) % SEATS;
#ifdef FIXED
  if (left > right) left = right, right = seat;
#endif
  pthread_mutex_lock(&forks[left]);  // RACE:1
  pthread_mutex_lock(&forks[right]); // RACE:2
  meals[seat]++;
  pthread_mutex_unlock(&forks[right]);
  pthread_mutex_unlock(&forks[left]);
  return NULL;
}

int main(void) {
  pthread_t philosophers[SEATS];
  for (int i = 0; i < SEATS; i++) pthread_mutex_init(&forks[i], NULL);
  for (long i = 0; i < SEATS; i++) philosophers[i] = start(dine, (void *)i);
  for (int i = 0; i < SEATS; i++) finish(philosophers[i]);
  for (int i = 0; i < SEATS; i++)
    if (meals[i] != 1) fail("a philosopher did not eat");
  return 0;
}
