// shows: ABA in a lock-free free list: the head is the same again, but what follows it is not.
// fails: signal 6
// preemptions: 1
// source: Treiber's stack without the modification counter (Michael and Scott, "Simple, Fast, and Practical...", PODC 1996, name the problem)
#include <stdint.h>

#include "bug.h"

enum { SLOTS = 3, NONE = 0xff };
// The low byte is the first free slot; the rest counts changes, in the correct version.
static uint32_t head;
static uint8_t next_free[SLOTS];
static int taken[SLOTS];

static uint32_t successor_of(uint32_t old, uint8_t slot) {
#ifdef FIXED
  return ((old >> 8) + 1) << 8 | slot;
#else
  (void)old;
  return slot;
#endif
}

static uint8_t allocate(void) {
  for (;;) {
    uint32_t old = __atomic_load_n(&head, __ATOMIC_ACQUIRE);
    uint8_t slot = old & 0xff;
    if (slot == NONE) fail("no slot is free");
    uint8_t following = READ_ONCE(next_free[slot]); // RACE:1
    if (__atomic_compare_exchange_n(&head, &old, successor_of(old, following), 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) return slot;
  }
}

static void release(uint8_t slot) {
  uint32_t old = __atomic_load_n(&head, __ATOMIC_RELAXED);
  do WRITE_ONCE(next_free[slot], old & 0xff);
  while (!__atomic_compare_exchange_n(&head, &old, successor_of(old, slot), 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED)); // RACE:2
}

static void *take_one(void *argument) {
  taken[allocate()]++;
  return argument;
}

static void *take_two_give_one(void *argument) {
  uint8_t first = allocate(), second = allocate();
  taken[second]++;
  release(first);
  return argument;
}

int main(void) {
  for (uint8_t i = 0; i < SLOTS; i++) next_free[i] = i + 1 < SLOTS ? i + 1 : NONE;
  pthread_t one = start(take_one, NULL), two = start(take_two_give_one, NULL);
  finish(one);
  finish(two);
  for (uint8_t slot = head & 0xff; slot != NONE; slot = next_free[slot])
    if (taken[slot]++) fail("a slot is free and in use");
  for (int i = 0; i < SLOTS; i++)
    if (taken[i] != 1) fail("a slot is lost or taken twice");
  return 0;
}
