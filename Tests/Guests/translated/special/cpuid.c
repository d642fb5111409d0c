// shows: cpuid answers the same each time, in each thread and process, and agrees with itself and XGETBV.
// build: static -O1 -pthread -static
// stdout: varies
#include <cpuid.h>
#include "guest.h"

struct leaf { unsigned eax, ebx, ecx, edx; };
static struct leaf ask(unsigned leaf, unsigned sub) {
  struct leaf got;
  __cpuid_count(leaf, sub, got.eax, got.ebx, got.ecx, got.edx);
  // Which processor answered is natively a matter of chance.
  if (leaf == 1) got.ebx &= 0x00ffffff;
  return got;
}

static const unsigned leaves[][2] = {{0, 0}, {1, 0}, {7, 0}, {7, 1}, {0x80000000, 0}, {0x80000001, 0}, {0x80000002, 0}, {0x80000003, 0}, {0x80000004, 0}};
enum { LEAVES = sizeof leaves / sizeof leaves[0] };
static struct leaf first[LEAVES];

static void *compare(void *argument) {
  for (int round = 0; round < 20; round++)
    for (int i = 0; i < LEAVES; i++) {
      struct leaf again = ask(leaves[i][0], leaves[i][1]);
      CHECK(memcmp(&again, &first[i], sizeof again) == 0);
    }
  return argument;
}

static uint64_t enabled_state(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

int main(void) {
  for (int i = 0; i < LEAVES; i++) {
    first[i] = ask(leaves[i][0], leaves[i][1]);
    printf("%08x.%x: %08x %08x %08x %08x\n", leaves[i][0], leaves[i][1], first[i].eax, first[i].ebx, first[i].ecx, first[i].edx);
  }
  struct leaf one = first[1], seven = first[2];
  CHECK(first[0].eax >= 7 && first[4].eax >= 0x80000004);
  CHECK((one.edx & bit_SSE2) && (one.edx & bit_FXSAVE) && (one.edx & bit_CMOV));
  if (one.ecx & bit_AVX) {
    CHECK(one.ecx & bit_OSXSAVE);
    CHECK((enabled_state() & 6) == 6);
    // A model may stop before the leaf that describes the extended state.
    struct leaf state = ask(0xd, 0);
    CHECK(first[0].eax < 0xd || ((state.eax & 7) == 7 && state.ebx >= 832));
  }
  if (seven.ebx & bit_AVX2) CHECK(one.ecx & bit_AVX);
  if (seven.ebx & bit_AVX512F) CHECK((enabled_state() & 0xe6) == 0xe6);
  // What may be used works.
  if (seven.ebx & bit_BMI2) {
    uint64_t got;
    __asm__("pext %2, %1, %0" : "=r"(got) : "r"(0x123456789abcdef0), "r"(0x00ff00ff00ff00ff));
    CHECK(got == 0x3478bcf0);
  }
  __builtin_cpu_init();
  CHECK(!__builtin_cpu_supports("avx2") == !(seven.ebx & bit_AVX2));
  CHECK(!__builtin_cpu_supports("avx512f") == !(seven.ebx & bit_AVX512F));
  pthread_t threads[3];
  for (int i = 0; i < 3; i++) ZERO(pthread_create(&threads[i], NULL, compare, NULL));
  for (int i = 0; i < 3; i++) ZERO(pthread_join(threads[i], NULL));
  pid_t child = OK(fork());
  if (child == 0) {
    compare(NULL);
    _exit(guest_failures != 0);
  }
  CHECK(guest_wait(child) == 0);
  return guest_done("cpuid");
}
