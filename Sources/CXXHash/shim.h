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
/// XXH3-64 of bytes that come in parts: a state, which is to be freed; NULL without memory.
static inline void *rsb_hash64_start(void) {
  XXH3_state_t *state = XXH3_createState();
  if (state) XXH3_64bits_reset(state);
  return state;
}
static inline void rsb_hash64_add(void *state, const void *bytes, size_t count) { XXH3_64bits_update(state, bytes, count); }
static inline uint64_t rsb_hash64_value(const void *state) { return XXH3_64bits_digest(state); }
static inline void rsb_hash64_end(void *state) { XXH3_freeState(state); }
/// XXH3-128 of the bytes.
static inline rsb_hash128_value rsb_hash128(const void *bytes, size_t count) {
  XXH128_hash_t hash = XXH3_128bits(bytes, count);
  return (rsb_hash128_value){hash.low64, hash.high64};
}
