// What the parts of CDebugInfo know of a session.
#ifndef RSB_DEBUG_INTERNAL_H
#define RSB_DEBUG_INTERNAL_H

#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>

#include "CDebugInfo.h"

// A global variable of the debug information.
typedef struct {
  // As it is in memory.
  uint64_t address;
  uint64_t size;
  Dwarf_Die type;
} rsb_debug_variable;

struct rsb_debug {
  Dwfl *dwfl;
  bool is_attached;
  // While it unwinds.
  const uint64_t *registers;
  rsb_debug_reader reader;
  void *argument;
  rsb_debug_frame *frames;
  size_t frame_count;
  size_t frames_max;
  // All modules' variables by rising address, once somebody has asked.
  bool has_variables;
  rsb_debug_variable *variables;
  size_t variable_count;
  size_t variables_max;
};

// Copies a text, NULL as an empty one, and cuts it to RSB_DEBUG_TEXT_MAX.
void rsb_debug_copy(char *target, const char *text);
void rsb_debug_free_variables(rsb_debug *debug);

#endif
