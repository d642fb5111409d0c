// shows: AddressSanitizer finds a read past the end of a heap block and ends the program.
// build: asan -O1 -pthread -fsanitize=address -fno-omit-frame-pointer
// native: fixed-addresses
// engine: translated
// exit: 1
// stderr: heap-buffer-overflow
// timeout: 120
#include "guest.h"

const char *__asan_default_options(void) { return "detect_leaks=0:symbolize=0"; }

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  volatile int *numbers = malloc(10 * sizeof *numbers);
  volatile int index = 10;
  puts("before");
  printf("%d\n", numbers[index]);
  return 0;
}
