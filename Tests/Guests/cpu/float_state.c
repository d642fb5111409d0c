// shows: x87 stack and control word, MXCSR and rounding modes are each thread's own; inherited by threads and over fork.
// build: static -O1 -pthread -static -lm
#include <fenv.h>
#include <xmmintrin.h>
#include "guest.h"

static int control_word(void) {
  unsigned short word;
  __asm__ volatile("fnstcw %0" : "=m"(word));
  return word;
}

static void *body(void *argument) {
  static const int modes[4] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
  static const double up[4] = {1, 1, 0, 0};
  int mode = (int)(long)argument;
  fesetround(modes[mode]);
  unsigned status = _mm_getcsr();
  int control = control_word();
  long double third = 0, kept;
  for (int i = 0; i < 50; i++) {
    __asm__ volatile("fld1\n fldpi\n mov $24, %%eax\n syscall\n faddp\n fstpt %0" : "=m"(kept)::"rax", "rcx", "r11", "memory");
    CHECK(kept > 4.14159L && kept < 4.1416L);
    CHECK((_mm_getcsr() & ~0x3fu) == (status & ~0x3fu) && control_word() == control && fegetround() == modes[mode]);
    volatile double one = 1, ten = 10, tenth = one / ten;
    CHECK((tenth * 1e20 >= 1e19) == (up[mode] == 1) || mode == 0);
    third += one / 3;
  }
  return (void *)(long)(third > 0);
}

int main(void) {
  pthread_t threads[4];
  for (long i = 0; i < 4; i++) ZERO(pthread_create(&threads[i], NULL, body, (void *)i));
  for (int i = 0; i < 4; i++) ZERO(pthread_join(threads[i], NULL));
  fesetround(FE_DOWNWARD);
  pid_t child = OK(fork());
  if (child == 0) _exit(fegetround() == FE_DOWNWARD ? 0 : 1);
  CHECK(guest_wait(child) == 0);
  pthread_t thread;
  void *result;
  ZERO(pthread_create(&thread, NULL, body, (void *)2));
  ZERO(pthread_join(thread, &result));
  CHECK(fegetround() == FE_DOWNWARD);
  return guest_done("float_state");
}
