// shows: a driver's entry tests that the driver is not stopping, and is counted only then: it runs in a stopped driver.
// fails: signal 6
// preemptions: 1
// source: the Windows Bluetooth driver (Qadeer and Wu, "KISS: Keep It Simple and Sequential", PLDI 2004), in SCTBench as CS.bluetooth_driver_bad
#include <semaphore.h>

#include "bug.h"

static int pending_io = 1, stopping, stopped;
static sem_t nothing_pending;

static void leave(void) {
  if (__atomic_sub_fetch(&pending_io, 1, __ATOMIC_SEQ_CST) == 0) sem_post(&nothing_pending);
}

static int enter(void) {
#ifdef FIXED
  __atomic_add_fetch(&pending_io, 1, __ATOMIC_SEQ_CST);
  if (!READ_ONCE(stopping)) return 1;
  leave();
  return 0;
#else
  if (READ_ONCE(stopping)) return 0;                    // RACE:1
  __atomic_add_fetch(&pending_io, 1, __ATOMIC_SEQ_CST);
  return 1;
#endif
}

static void *add(void *argument) {
  if (enter()) {
    if (READ_ONCE(stopped)) fail("a request runs in a stopped driver");
    leave();
  }
  return argument;
}

static void *stop(void *argument) {
  WRITE_ONCE(stopping, 1); // RACE:2
  leave();
  sem_wait(&nothing_pending);
  WRITE_ONCE(stopped, 1);
  return argument;
}

int main(void) {
  sem_init(&nothing_pending, 0, 0);
  pthread_t adder = start(add, NULL), stopper = start(stop, NULL);
  finish(adder);
  finish(stopper);
  return !stopped;
}
