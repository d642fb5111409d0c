// Raw host calls, no policy. Every function returns a value >= 0 or -errno.
#ifndef REPLAYSB_CLINUX_H
#define REPLAYSB_CLINUX_H
#include <stddef.h>
#include <stdint.h>
#include "CLinuxFiles.h"

/// The raw syscall instruction: returns the kernel's value or -errno, errno untouched.
long rsb_syscall(long number, long a0, long a1, long a2, long a3, long a4, long a5);

#include "CLinuxPtrace.h"
#include "CLinuxHost.h"

/// Prepares malloc for a short life with much memory; once, at the start of a program with one thread.
void rsb_heap_settle(void);

#endif
