#define _GNU_SOURCE
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "CLinux.h"

// A short run of the tool touches some ten megabytes of heap once. At a page fault for each 4 KiB that costs more than what is
// done with them, so the first part of the heap is made of pages of 2 MiB where the host has them (transparent_hugepage
// "madvise" or "always"), and what is given back stays in the process.
void rsb_heap_settle(void) {
  const size_t large_page = 2 << 20, reserve = 64 << 20;
  mallopt(M_TOP_PAD, reserve);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  uintptr_t begin = (uintptr_t)sbrk(0);
  // Volatile: a compiler may leave out an allocation that nobody uses.
  void *volatile piece = malloc(large_page);
  free(piece);
  uintptr_t end = (uintptr_t)sbrk(0), start = (begin + large_page - 1) & ~(large_page - 1);
  madvise((void *)start, end - start, MADV_HUGEPAGE);
}
