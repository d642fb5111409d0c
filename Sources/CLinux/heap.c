#define _GNU_SOURCE
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "CLinux.h"

// A short run of the tool touches some megabytes of heap once: malloc takes them from the host at once and gives nothing back, and what every
// run touches is asked for at once in place of a page fault for each. Pages of 2 MiB (transparent_hugepage "madvise" or "always") are for
// runs that need more: where a virtual machine's free memory goes back to its host (free page reporting, balloons), the large pieces of it are
// what went, and one such page was measured to take 20 ms, which a short run should not meet.
void rsb_heap_settle(void) {
  const size_t reserve = 64 << 20, touched = 1 << 20, small = 4 << 20, page = 4096, large_page = 2 << 20;
  mallopt(M_TOP_PAD, reserve);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  // More than what malloc has. Volatile: a compiler may leave out an allocation that nobody uses.
  void *volatile piece = malloc(touched);
  if (!piece) return;
  uintptr_t start = (uintptr_t)piece & ~(page - 1), end = (uintptr_t)sbrk(0);
  rsb_memory_populate((void *)start, touched);
  uintptr_t large = (start + small + large_page - 1) & ~(large_page - 1);
  if (large < end) madvise((void *)large, end - large, MADV_HUGEPAGE);
  free(piece);
}
