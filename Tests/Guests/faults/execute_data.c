// shows: executing data, heap or stack ends the guest by SIGSEGV, at the right address.
// build: static -O1 -static
// signal: 11
#include "guest.h"
static unsigned char data[64] = {0xc3};
static sigjmp_buf back;
static void *at;
static int code;
static void on_fault(int number, siginfo_t *info, void *context) {
  (void)number, (void)context;
  at = info->si_addr;
  code = info->si_code;
  siglongjmp(back, 1);
}
int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &action, NULL);
  unsigned char stack[64] = {0xc3};
  unsigned char *heap = malloc(64);
  heap[0] = 0xc3;
  void *places[3] = {data, stack, heap};
  for (int i = 0; i < 3; i++) {
    at = NULL;
    if (!sigsetjmp(back, 1)) ((void (*)(void))places[i])();
    CHECK(at == places[i] && code == SEGV_ACCERR);
  }
  if (guest_done("execute_data")) return 1;
  signal(SIGSEGV, SIG_DFL);
  ((void (*)(void))(void *)data)();
  return 0;
}
