// What the bug programs share: threads that must start, racy accesses that the compiler leaves alone, memory that says when it is
// used after it was given back, and one line on stderr before the end.
#ifndef BUG_H
#define BUG_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// One load or store, in the order of the source: without synchronisation, but not folded away by -O2.
#define READ_ONCE(place) __atomic_load_n(&(place), __ATOMIC_RELAXED)
#define WRITE_ONCE(place, value) __atomic_store_n(&(place), (value), __ATOMIC_RELAXED)

/// The bug has shown itself.
static inline void __attribute__((noreturn)) fail(const char *what) {
  fprintf(stderr, "failed: %s\n", what);
  abort();
}

/// The test itself could not be set up: another status than those of failures.
static inline void __attribute__((noreturn)) give_up(const char *what) {
  fprintf(stderr, "cannot test: %s: %s\n", what, strerror(errno));
  _Exit(99);
}

static inline pthread_t start(void *(*body)(void *), void *argument) {
  pthread_t thread;
  errno = pthread_create(&thread, NULL, body, argument);
  if (errno != 0) give_up("pthread_create");
  return thread;
}

static inline void finish(pthread_t thread) {
  errno = pthread_join(thread, NULL);
  if (errno != 0) give_up("pthread_join");
}

/// A free() that keeps the memory and fills it with 0xdd, so that a use after it is seen at once, in every run.
static inline void poison(void *memory, size_t size) { memset(memory, 0xdd, size); }
#endif
