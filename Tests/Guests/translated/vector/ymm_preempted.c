// shows: 4 threads compute in all 16 ymm registers without a syscall; each comes to the sum that it gets alone.
// build: static -O2 -mavx2 -mfma -pthread -static
// needs: avx2
#include <immintrin.h>
#include "guest.h"

static uint64_t compute(uint64_t seed, long rounds) {
  __m256i state[14];
  for (int i = 0; i < 14; i++) state[i] = _mm256_set_epi64x((long long)(seed + 1), (long long)(seed * 3 + (unsigned)i), (long long)(seed ^ 0x9e3779b97f4a7c15u), i);
  for (long round = 0; round < rounds; round++)
#pragma GCC unroll 14
    for (int i = 0; i < 14; i++) {
      __m256i other = state[(i + 5) % 14];
      state[i] = _mm256_xor_si256(_mm256_add_epi64(state[i], _mm256_slli_epi64(other, 7)), _mm256_shuffle_epi32(_mm256_srli_epi64(state[i], 9), 0x1b));
      state[i] = _mm256_permute4x64_epi64(state[i], 0x39);
    }
  uint64_t digest = 0, words[4];
  for (int i = 0; i < 14; i++) {
    _mm256_storeu_si256((__m256i *)words, state[i]);
    for (int j = 0; j < 4; j++) digest = digest * 31 + words[j];
  }
  return digest;
}

static uint64_t alone[4];
static void *body(void *argument) {
  long me = (long)argument;
  for (int i = 0; i < 5; i++) CHECK(compute((uint64_t)me * 77, 4000) == alone[me]);
  return NULL;
}

int main(void) {
  for (long i = 0; i < 4; i++) alone[i] = compute((uint64_t)i * 77, 4000);
  printf("digest %016lx\n", (unsigned long)(alone[0] ^ alone[3]));
  pthread_t threads[4];
  for (long i = 0; i < 4; i++) ZERO(pthread_create(&threads[i], NULL, body, (void *)i));
  for (int i = 0; i < 4; i++) ZERO(pthread_join(threads[i], NULL));
  return guest_done("ymm_preempted");
}
