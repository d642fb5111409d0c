// shows: recursion 100,000 deep: direct, mutual through pointers, and a tree; unwound by return and by longjmp.
// build: static -O1 -fno-optimize-sibling-calls -static
// build: dynamic -O0
#include "guest.h"

static long __attribute__((noinline)) deep(long depth) { return depth == 0 ? 0 : 1 + deep(depth - 1); }

static long odd(long n);
static long even(long n);
static long (*volatile odd_pointer)(long) = odd, (*volatile even_pointer)(long) = even;
static long even(long n) { return n == 0 ? 1 : odd_pointer(n - 1) + 0; }
static long odd(long n) { return n == 0 ? 0 : even_pointer(n - 1) + 0; }

static jmp_buf out;
static long __attribute__((noinline)) fall(long depth) {
  if (depth == 0) longjmp(out, 9);
  return 1 + fall(depth - 1);
}

static long __attribute__((noinline)) fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

int main(void) {
  for (int i = 0; i < 5; i++) {
    CHECK(deep(100000) == 100000);
    CHECK(even(100000) == 1 && odd(99999) == 1 && even(99999) == 0);
    int got = setjmp(out);
    if (got == 0) fall(100000);
    CHECK(got == 9);
  }
  CHECK(fibonacci(24) == 46368);
  return guest_done("recursion");
}
