// shows: x87 stack and control word, mxcsr rounding and flags belong to each thread, across preemption in loops without syscalls.
// build: static -O1 -pthread -static -lm
// build: dynamic -O1 -pthread -lm
#include <fenv.h>
#include "guest.h"

static const int modes[4] = {FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO};

static double sum_double(long rounds) {
  volatile double sum = 0, third = 3;
  for (long i = 1; i <= rounds; i++) sum += 1.0 / (third * (double)i);
  return sum;
}

// Eight values stay on the x87 stack through the loop.
static long double sum_x87(long rounds) {
  long double result;
  __asm__ volatile("fld1\n fldpi\n fldl2e\n fldln2\n fldz\n fld1\n fldpi\n"
                   "1: fadd %%st(5), %%st\n fdiv %%st(4), %%st\n fsub %%st(3), %%st\n fadd %%st(6), %%st\n dec %[rounds]\n jnz 1b\n"
                   "faddp\n faddp\n faddp\n faddp\n faddp\n faddp\n"
                   : "=t"(result), [rounds] "+r"(rounds)::"st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)", "cc");
  return result;
}

static double expected[4];
static long double expected_x87[4];

static void *body(void *argument) {
  long me = (long)argument;
  ZERO(fesetround(modes[me]));
  feclearexcept(FE_ALL_EXCEPT);
  if (me == 2) feraiseexcept(FE_DIVBYZERO);
  for (int i = 0; i < 10; i++) {
    double sum = sum_double(20000);
    long double x87 = sum_x87(20000);
    CHECK(memcmp(&sum, &expected[me], sizeof sum) == 0);
    CHECK(memcmp(&x87, &expected_x87[me], 10) == 0);
    CHECK(fegetround() == modes[me]);
    CHECK(!fetestexcept(FE_DIVBYZERO) == (me != 2));
  }
  return NULL;
}

int main(void) {
  for (int i = 0; i < 4; i++) {
    fesetround(modes[i]);
    expected[i] = sum_double(20000);
    expected_x87[i] = sum_x87(20000);
  }
  fesetround(FE_TONEAREST);
  CHECK(expected[1] < expected[2]);
  pthread_t threads[4];
  for (long i = 0; i < 4; i++) ZERO(pthread_create(&threads[i], NULL, body, (void *)i));
  for (int i = 0; i < 4; i++) ZERO(pthread_join(threads[i], NULL));
  return guest_done("float_modes");
}
