// shows: sigaltstack: the handler runs on it after a stack overflow; SS_ONSTACK, SS_DISABLE, EPERM, ENOMEM, per thread.
// build: static -O1 -pthread -static
#include "guest.h"

static char stack_memory[65536];
static sigjmp_buf back;
static volatile int on_stack, overflowed;

static void overflow_handler(int number, siginfo_t *info, void *context) {
  char here;
  stack_t current;
  (void)number, (void)info, (void)context;
  on_stack = &here >= stack_memory && &here < stack_memory + sizeof stack_memory;
  sigaltstack(NULL, &current);
  CHECK(current.ss_flags & SS_ONSTACK);
  FAILS(sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL), EPERM);
  overflowed++;
  siglongjmp(back, 1);
}
static volatile int sink;
static int __attribute__((noinline)) dive(int depth) {
  volatile char frame[4096];
  frame[0] = (char)depth;
  int result = dive(depth + 1) + frame[0];
  sink += result;
  return result;
}
static void *other(void *argument) {
  stack_t current;
  (void)argument;
  sigaltstack(NULL, &current);
  CHECK(current.ss_flags & SS_DISABLE);
  return NULL;
}

int main(void) {
  stack_t stack = {.ss_sp = stack_memory, .ss_size = sizeof stack_memory}, old;
  OK(sigaltstack(&stack, NULL));
  struct sigaction action = {.sa_sigaction = overflow_handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigaction(SIGSEGV, &action, NULL);
  struct rlimit limit = {1 << 20, RLIM_INFINITY};
  getrlimit(RLIMIT_STACK, &limit);
  limit.rlim_cur = 1 << 20;
  OK(setrlimit(RLIMIT_STACK, &limit));
  for (int i = 0; i < 2; i++)
    if (!sigsetjmp(back, 1)) dive(0);
  CHECK(overflowed == 2 && on_stack);
  OK(sigaltstack(NULL, &old));
  CHECK(old.ss_sp == stack_memory && old.ss_size == sizeof stack_memory && old.ss_flags == 0);
  FAILS(sigaltstack(&(stack_t){.ss_sp = stack_memory, .ss_size = 100}, NULL), ENOMEM);
  FAILS(sigaltstack(&(stack_t){.ss_sp = stack_memory, .ss_size = 65536, .ss_flags = 77}, NULL), EINVAL);
  pthread_t thread;
  ZERO(pthread_create(&thread, NULL, other, NULL));
  ZERO(pthread_join(thread, NULL));
  OK(sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL));
  return guest_done("altstack");
}
