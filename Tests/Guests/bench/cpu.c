// shows: pure computing: a sieve, a quicksort, an interpreter with indirect jumps and a recursion; hardly a syscall.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t state = 88172645463325252ull;
static uint64_t next(void) {
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

static long sieve(long limit) {
  char *composite = calloc((size_t)limit + 1, 1);
  long found = 0;
  for (long i = 2; i <= limit; i++) {
    if (composite[i]) continue;
    found++;
    for (long j = i * i; j <= limit; j += i) composite[j] = 1;
  }
  free(composite);
  return found;
}

static void sort(uint32_t *values, long low, long high) {
  while (low < high) {
    uint32_t pivot = values[(low + high) / 2];
    long i = low, j = high;
    while (i <= j) {
      while (values[i] < pivot) i++;
      while (values[j] > pivot) j--;
      if (i <= j) {
        uint32_t kept = values[i];
        values[i++] = values[j];
        values[j--] = kept;
      }
    }
    if (j - low < high - i) {
      sort(values, low, j);
      low = i;
    } else {
      sort(values, i, high);
      high = j;
    }
  }
}

static long __attribute__((noinline)) fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

static uint64_t interpret(uint64_t rounds) {
  static const int program[] = {0, 1, 2, 3, 0, 2, 1, 4};
  static const void *const labels[] = {&&add, &&mix, &&swap, &&multiply, &&loop};
  uint64_t a = 1, b = 12345;
  const int *at = program;
#define NEXT goto *labels[*at++]
  NEXT;
add: a += b; NEXT;
mix: a ^= a >> 7; NEXT;
swap: { uint64_t kept = a; a = b; b = kept; } NEXT;
multiply: a *= 0x9e3779b97f4a7c15ull; NEXT;
loop:
  if (--rounds) {
    at = program;
    NEXT;
  }
  return a ^ b;
}

int main(int argc, char **argv) {
  int rounds = argc > 1 ? atoi(argv[1]) : 1;
  unsigned long result = 0;
  for (int round = 0; round < rounds; round++) {
    result += (unsigned long)sieve(20000000);
    long count = 6000000;
    uint32_t *values = malloc((size_t)count * sizeof *values);
    for (long i = 0; i < count; i++) values[i] = (uint32_t)next();
    sort(values, 0, count - 1);
    for (long i = 1; i < count; i++)
      if (values[i] < values[i - 1]) return 1;
    result += values[count / 2];
    free(values);
    result += interpret(50000000);
    result += (unsigned long)fibonacci(40);
  }
  printf("cpu %lx\n", result);
  return 0;
}
