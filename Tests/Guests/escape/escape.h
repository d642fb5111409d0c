// Shared by guests that try to get out: runs a piece of code whose faults come back as a jump, not as an end.
#include "guest.h"

static sigjmp_buf escape_back;
static volatile int escape_signal;
static char escape_stack[65536];
static void escape_fault(int number) {
  escape_signal = number;
  siglongjmp(escape_back, 1);
}
static inline void escape_catch(void) {
  stack_t stack = {.ss_sp = escape_stack, .ss_size = sizeof escape_stack};
  sigaltstack(&stack, NULL);
  struct sigaction action = {.sa_handler = escape_fault, .sa_flags = SA_ONSTACK | SA_NODEFER};
  int numbers[] = {SIGSEGV, SIGILL, SIGBUS, SIGTRAP, SIGSYS, SIGFPE};
  for (int i = 0; i < 6; i++) sigaction(numbers[i], &action, NULL);
}
/// Runs the statement; 0 when it came back, else the signal it met.
#define ESCAPE(statement)                                                 \
  __extension__({                                                         \
    escape_signal = 0;                                                    \
    if (sigsetjmp(escape_back, 1) == 0) { statement; }                    \
    (int)escape_signal;                                                   \
  })
