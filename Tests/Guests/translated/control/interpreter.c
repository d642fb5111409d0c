// shows: a computed-goto interpreter, a switch with a jump table and virtual dispatch agree, in 3 threads with preemption in between.
// build: static -O2 -pthread -static
// build: pie -O2 -pthread -fPIE -pie
// build: unoptimised -O0 -pthread -static
#include "guest.h"

enum { ADD, XOR, SWAP, MULTIPLY, COUNT, LOOP, HALT };
static const unsigned char program[] = {ADD, XOR, SWAP, MULTIPLY, ADD, SWAP, XOR, COUNT, LOOP, HALT};

static uint64_t by_goto(uint64_t rounds) {
  static const void *const labels[] = {&&add, &&xor, &&swap, &&multiply, &&count, &&loop, &&halt};
  uint64_t a = 1, b = 12345, t;
  const unsigned char *at = program;
#define NEXT goto *labels[*at++]
  NEXT;
add: a += b; NEXT;
xor: a ^= a >> 7; NEXT;
swap: t = a; a = b; b = t; NEXT;
multiply: a *= 0x9E3779B97F4A7C15u; NEXT;
count: rounds--; NEXT;
loop: if (rounds) at = program;
  NEXT;
halt: return a ^ b;
}

static uint64_t by_switch(uint64_t rounds) {
  uint64_t a = 1, b = 12345, t;
  for (const unsigned char *at = program;;) {
    switch (*at++) {
    case ADD: a += b; break;
    case XOR: a ^= a >> 7; break;
    case SWAP: t = a; a = b; b = t; break;
    case MULTIPLY: a *= 0x9E3779B97F4A7C15u; break;
    case COUNT: rounds--; break;
    case LOOP: if (rounds) at = program; break;
    case HALT: return a ^ b;
    }
  }
}

struct machine { uint64_t a, b, rounds; const unsigned char *at; };
static void do_add(struct machine *m) { m->a += m->b; }
static void do_xor(struct machine *m) { m->a ^= m->a >> 7; }
static void do_swap(struct machine *m) { uint64_t t = m->a; m->a = m->b; m->b = t; }
static void do_multiply(struct machine *m) { m->a *= 0x9E3779B97F4A7C15u; }
static void do_count(struct machine *m) { m->rounds--; }
static void do_loop(struct machine *m) { if (m->rounds) m->at = program; }
static void (*const volatile table[])(struct machine *) = {do_add, do_xor, do_swap, do_multiply, do_count, do_loop};
static uint64_t by_call(uint64_t rounds) {
  struct machine m = {1, 12345, rounds, program};
  while (*m.at != HALT) table[*m.at++](&m);
  return m.a ^ m.b;
}

static void *body(void *argument) {
  for (uint64_t i = 1; i < 20; i++) {
    uint64_t expected = by_goto(i * 100);
    CHECK(by_switch(i * 100) == expected && by_call(i * 100) == expected);
  }
  return argument;
}

int main(void) {
  pthread_t threads[3];
  for (int i = 0; i < 3; i++) ZERO(pthread_create(&threads[i], NULL, body, NULL));
  for (int i = 0; i < 3; i++) ZERO(pthread_join(threads[i], NULL));
  return guest_done("interpreter");
}
