// XXH3 in header form, so that nothing has to be linked.
#define XXH_INLINE_ALL
#include <xxhash.h>
