// shows: two locks taken in opposite orders by transfers between two accounts.
// fails: deadlock
// preemptions: 1
// source: SCTBench, CS.deadlock01_bad (Thomson, Donaldson, Betts, "Concurrency Testing Using Schedule Bounding", PPoPP 2014)
#include "bug.h"

struct account {
  pthread_mutex_t lock;
  long balance;
};

static struct account savings = {PTHREAD_MUTEX_INITIALIZER, 100}, current = {PTHREAD_MUTEX_INITIALIZER, 100};

static void transfer(struct account *from, struct account *to, long amount) {
  struct account *first = from, *second = to;
#ifdef FIXED
  if (first > second) first = to, second = from;
#endif
  pthread_mutex_lock(&first->lock);  // RACE:1
  pthread_mutex_lock(&second->lock); // RACE:2
  from->balance -= amount;
  to->balance += amount;
  pthread_mutex_unlock(&second->lock);
  pthread_mutex_unlock(&first->lock);
}

static void *save(void *argument) {
  transfer(&current, &savings, 30);
  return argument;
}

static void *spend(void *argument) {
  transfer(&savings, &current, 20);
  return argument;
}

int main(void) {
  pthread_t saver = start(save, NULL), spender = start(spend, NULL);
  finish(saver);
  finish(spender);
  if (savings.balance + current.balance != 200) fail("money was made or lost");
  return 0;
}
