// shows: where cpuid offers rdrand and rdseed, they give numbers, different ones each time and in each thread.
// build: static -O1 -pthread -static
// engine: translated
#include <cpuid.h>
#include "guest.h"

enum { NUMBERS = 200, THREADS = 3 };
static uint64_t numbers[THREADS][NUMBERS];
static int has_rdrand, has_rdseed;

static uint64_t draw(int seed) {
  uint64_t value = 0;
  unsigned char good = 0;
  for (int tries = 0; tries < 10000 && !good; tries++) {
    if (seed) __asm__ volatile("rdseed %0\n setc %1" : "=r"(value), "=qm"(good)::"cc");
    else __asm__ volatile("rdrand %0\n setc %1" : "=r"(value), "=qm"(good)::"cc");
  }
  CHECK(good);
  return value;
}

static void *body(void *argument) {
  for (int i = 0; i < NUMBERS; i++) numbers[(long)argument][i] = draw(has_rdseed && (i % 8 == 0));
  return NULL;
}

static int compare(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

int main(void) {
  unsigned a, b, c, d;
  has_rdrand = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_RDRND);
  has_rdseed = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_RDSEED);
  if (has_rdrand) {
    pthread_t threads[THREADS];
    for (long i = 0; i < THREADS; i++) ZERO(pthread_create(&threads[i], NULL, body, (void *)i));
    for (int i = 0; i < THREADS; i++) ZERO(pthread_join(threads[i], NULL));
    uint64_t *all = numbers[0];
    qsort(all, THREADS * NUMBERS, sizeof *all, compare);
    for (int i = 1; i < THREADS * NUMBERS; i++) CHECK(all[i] != all[i - 1]);
  } else {
    // Hidden: a program that asks first does not use it.
    CHECK(!has_rdseed);
  }
  return guest_done("random");
}
