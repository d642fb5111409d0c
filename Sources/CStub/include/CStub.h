// The freestanding blob that lives in the guest's address space.
#ifndef REPLAYSB_CSTUB_H
#define REPLAYSB_CSTUB_H
#include <stdint.h>
#endif
