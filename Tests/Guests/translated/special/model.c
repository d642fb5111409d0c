// shows: the default processor model is x86-64-v3: AVX2, BMI, FMA; no AVX-512, and no transactions, whose aborts nothing could replay.
// build: static -O1 -static
// native: skip
// engine: translated
#include <cpuid.h>
#include "guest.h"

int main(void) {
  unsigned a = 0, b = 0, c = 0, d = 0;
  CHECK(__get_cpuid_count(7, 0, &a, &b, &c, &d));
  CHECK(!(b & bit_RTM) && !(b >> 4 & 1));
  // Nor is AVX-512, unless the run asks for it: the default model is x86-64-v3.
  CHECK(!(b & bit_AVX512F) && (b & bit_AVX2) && (b & bit_BMI) && (b & bit_BMI2));
  __get_cpuid(1, &a, &b, &c, &d);
  CHECK((c & bit_FMA) && (c & bit_MOVBE) && (c & bit_F16C) && (c & bit_POPCNT));
  return guest_done("model");
}
