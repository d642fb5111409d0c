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
  // Just more than what malloc has: behind a piece it writes a word, and where a small page is already no large one will be.
  // Volatile: a compiler may leave out an allocation that nobody uses.
  void *volatile piece = malloc(256 << 10);
  free(piece);
  uintptr_t end = (uintptr_t)sbrk(0), start = (begin + large_page - 1) & ~(large_page - 1);
  if (end <= start) return;
  madvise((void *)start, end - start, MADV_HUGEPAGE);
  // What lies before it has small pages: it is given out, once, to nobody.
  uintptr_t first = (uintptr_t)piece;
  if (first < start && start - first < 2 * large_page) {
    void *volatile gap = malloc(start - first);
    (void)gap;
  }
}

// glibc gives a thread a heap of its own, 64 MiB at a multiple of that size, which M_TOP_PAD above lets it have whole at once.
void rsb_heap_settle_thread(void) {
  const uintptr_t heap = 64 << 20, large_page = 2 << 20;
  void *volatile piece = malloc(1024);
  if (!piece) return;
  // Where there are many threads, they share heaps, and this may be the first part's. Its size word says which (glibc's malloc.c:
  // NON_MAIN_ARENA); what it says decides about advice alone.
  const size_t not_main = 4;
  if (((size_t *)piece)[-1] & not_main) {
    uintptr_t begin = (uintptr_t)piece & ~(heap - 1);
    madvise((void *)begin, heap, MADV_HUGEPAGE);
    // The first has small pages: what is left of it is given out, once, to nobody.
    void *volatile gap = malloc(begin + large_page - (uintptr_t)piece - 4096);
    (void)gap;
  }
  free(piece);
}
