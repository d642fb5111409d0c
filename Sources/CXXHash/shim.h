// XXH3 in header form, so that nothing has to be linked. Inlining renames the library's functions by macros, which
// Swift does not see: these are the names to use.
#define XXH_INLINE_ALL
#include <xxhash.h>

typedef struct {
  uint64_t low, high;
} rsb_hash128_value;

/// XXH3-64 of the bytes.
static inline uint64_t rsb_hash64(const void *bytes, size_t count) { return XXH3_64bits(bytes, count); }
/// XXH3-64 with a seed.
static inline uint64_t rsb_hash64_seeded(const void *bytes, size_t count, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes, count, seed);
}
/// XXH3-64 of the bytes of one place and then of another.
static inline uint64_t rsb_hash64_of_two(const void *first, size_t first_count, const void *second, size_t second_count) {
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  XXH3_64bits_update(&state, first, first_count);
  XXH3_64bits_update(&state, second, second_count);
  return XXH3_64bits_digest(&state);
}
/// XXH3-128 of the bytes.
static inline rsb_hash128_value rsb_hash128(const void *bytes, size_t count) {
  XXH128_hash_t hash = XXH3_128bits(bytes, count);
  return (rsb_hash128_value){hash.low64, hash.high64};
}
