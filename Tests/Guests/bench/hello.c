// shows: the smallest C program: the size of the trace of a static hello.
#include <stdio.h>

int main(void) {
  puts("hello");
  return 0;
}
