#include "CStub.h"

extern const uint8_t rsb_blob_start[] __attribute__((visibility("hidden")));
extern const uint8_t rsb_blob_single[] __attribute__((visibility("hidden")));
extern const uint8_t rsb_blob_list[] __attribute__((visibility("hidden")));
extern const uint8_t rsb_blob_stop[] __attribute__((visibility("hidden")));
extern const uint8_t rsb_blob_switch[] __attribute__((visibility("hidden")));
extern const uint8_t rsb_blob_end[] __attribute__((visibility("hidden")));

struct rsb_blob rsb_blob_get(void) {
  return (struct rsb_blob){
      .bytes = rsb_blob_start,
      .size = (uint32_t)(rsb_blob_end - rsb_blob_start),
      .single = (uint32_t)(rsb_blob_single - rsb_blob_start),
      .list = (uint32_t)(rsb_blob_list - rsb_blob_start),
      .stopped = (uint32_t)(rsb_blob_stop - rsb_blob_start) + 1,
      .switch_state = (uint32_t)(rsb_blob_switch - rsb_blob_start),
  };
}

extern const uint8_t rsb_dispatch_start[] __attribute__((visibility("hidden")));
extern const uint8_t rsb_dispatch_miss[] __attribute__((visibility("hidden")));
extern const uint8_t rsb_dispatch_gate[] __attribute__((visibility("hidden")));
extern const uint8_t rsb_dispatch_load[] __attribute__((visibility("hidden")));
extern const uint8_t rsb_dispatch_behind_load[] __attribute__((visibility("hidden")));
extern const uint8_t rsb_dispatch_plain_gate[] __attribute__((visibility("hidden")));
extern const uint8_t rsb_dispatch_publish[] __attribute__((visibility("hidden")));
extern const uint8_t rsb_dispatch_published[] __attribute__((visibility("hidden")));
extern const uint8_t rsb_dispatch_store[] __attribute__((visibility("hidden")));
extern const uint8_t rsb_dispatch_cpuid[] __attribute__((visibility("hidden")));
extern const uint8_t rsb_dispatch_end[] __attribute__((visibility("hidden")));

struct rsb_dispatch rsb_dispatch_get(void) {
  return (struct rsb_dispatch){
      .bytes = rsb_dispatch_start,
      .size = (uint32_t)(rsb_dispatch_end - rsb_dispatch_start),
      .miss = (uint32_t)(rsb_dispatch_miss - rsb_dispatch_start),
      .gate = (uint32_t)(rsb_dispatch_gate - rsb_dispatch_start),
      .load = (uint32_t)(rsb_dispatch_load - rsb_dispatch_start),
      .behind_load = (uint32_t)(rsb_dispatch_behind_load - rsb_dispatch_start),
      .plain_gate = (uint32_t)(rsb_dispatch_plain_gate - rsb_dispatch_start),
      .publish = (uint32_t)(rsb_dispatch_publish - rsb_dispatch_start),
      .published = (uint32_t)(rsb_dispatch_published - rsb_dispatch_start) + 1,
      .store = (uint32_t)(rsb_dispatch_store - rsb_dispatch_start),
      .cpuid = (uint32_t)(rsb_dispatch_cpuid - rsb_dispatch_start),
  };
}
