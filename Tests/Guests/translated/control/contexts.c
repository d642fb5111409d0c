// shows: swapcontext and makecontext: generators on stacks of their own, switched 20,000 times, with 2 threads doing it.
// build: static -O2 -pthread -static
#include <ucontext.h>
#include "guest.h"

enum { GENERATORS = 4, SWITCHES = 2500 };
struct generator {
  ucontext_t own, caller;
  long value, step;
  char stack[16384] __attribute__((aligned(16)));
};

static void produce(unsigned low, unsigned high) {
  struct generator *me = (struct generator *)((uint64_t)high << 32 | low);
  for (;;) {
    me->value += me->step;
    swapcontext(&me->own, &me->caller);
  }
}

static void *body(void *argument) {
  struct generator *all = calloc(GENERATORS, sizeof *all);
  for (int i = 0; i < GENERATORS; i++) {
    OK(getcontext(&all[i].own));
    all[i].own.uc_stack.ss_sp = all[i].stack;
    all[i].own.uc_stack.ss_size = sizeof all[i].stack;
    all[i].step = i + 1;
    makecontext(&all[i].own, (void (*)(void))produce, 2, (unsigned)(uint64_t)&all[i], (unsigned)((uint64_t)&all[i] >> 32));
  }
  for (int turn = 0; turn < SWITCHES; turn++)
    for (int i = 0; i < GENERATORS; i++) swapcontext(&all[i].caller, &all[i].own);
  for (int i = 0; i < GENERATORS; i++) CHECK(all[i].value == (long)(i + 1) * SWITCHES);
  free(all);
  return argument;
}

int main(void) {
  pthread_t thread;
  ZERO(pthread_create(&thread, NULL, body, NULL));
  body(NULL);
  ZERO(pthread_join(thread, NULL));
  return guest_done("contexts");
}
