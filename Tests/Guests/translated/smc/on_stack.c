// shows: code on a stack: a thread with an RWX stack writes a function beside its frame, runs it, and the frame changes over and over.
// build: static -O1 -pthread -static
#include "code.h"

static int __attribute__((noinline)) run_on_stack(int value, int depth) {
  unsigned char code[16 + 32];
  unsigned char *at = (unsigned char *)(((uint64_t)code + 15) & ~15ul);
  emit_constant(at, value);
  int got = ((function)at)();
  return depth == 0 ? got : got + run_on_stack(value + 1, depth - 1);
}

// A trampoline as gcc makes for nested functions: it loads r10 (or r11) and jumps.
static int __attribute__((noinline)) nested(int value) {
  unsigned char code[48];
  unsigned char *at = (unsigned char *)(((uint64_t)code + 15) & ~15ul);
  static const unsigned char body[] = {0x41, 0xbb, 0, 0, 0, 0, 0x44, 0x89, 0xd8, 0xc3};  // mov $value, %r11d; mov %r11d, %eax; ret
  memcpy(at, body, sizeof body);
  memcpy(at + 2, &value, 4);
  return ((function)at)();
}

static void *body(void *argument) {
  for (int i = 0; i < 200; i++) {
    CHECK(run_on_stack(i, 5) == 6 * i + 15);
    CHECK(nested(i) == i);
  }
  return argument;
}

int main(void) {
  unsigned char *stack = code_pages(65536);
  pthread_attr_t attributes;
  ZERO(pthread_attr_init(&attributes));
  ZERO(pthread_attr_setstack(&attributes, stack, 65536));
  pthread_t thread;
  ZERO(pthread_create(&thread, &attributes, body, NULL));
  ZERO(pthread_join(thread, NULL));
  return guest_done("on_stack");
}
