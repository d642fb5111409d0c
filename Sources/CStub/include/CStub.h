// The freestanding blob that lives in the guest's address space.
#ifndef REPLAYSB_CSTUB_H
#define REPLAYSB_CSTUB_H

// Addresses that dispatch.S has in it: RuntimeLayout.publications and .mirror, compared when a machine is made.
#define RSB_DISPATCH_PUBLICATIONS 0x7ff090000000
#define RSB_DISPATCH_MIRROR 0x7ffb00000000

#ifndef __ASSEMBLER__
#include <stdint.h>

/// The blob's bytes and the offsets of its entries. The image's own entry is offset 0.
struct rsb_blob {
  const uint8_t *bytes;
  uint32_t size;
  /// One call with everything in registers.
  uint32_t single;
  /// Runs the list at r12 with r13 calls; see blob.S.
  uint32_t list;
  /// Where rip is when either is through: after their int3.
  uint32_t stopped;
  /// Saves and loads XSAVE areas on the way back to the guest; see blob.S.
  uint32_t switch_state;
};

struct rsb_blob rsb_blob_get(void);

/// The dispatch blob of translated code (dispatch.S): its bytes, the int3 of a target that it does not know, and the places
/// where system calls are made: the usual one, with the load in it that may fault and where to go on then, and the one for hosts
/// without FSGSBASE; what stores entries of the mirror, and where rip is when that went on to its int3; what stores for the kernel; what answers CPUID.
struct rsb_dispatch {
  const uint8_t *bytes;
  uint32_t size;
  uint32_t miss;
  uint32_t gate;
  uint32_t load, behind_load;
  uint32_t plain_gate;
  uint32_t publish, published;
  uint32_t store;
  uint32_t cpuid;
};

struct rsb_dispatch rsb_dispatch_get(void);
#endif
#endif
