// All contact with libdw: names, lines and stacks for addresses of one address space, from images that are given as bytes.
// No file of the host is opened: images come as bytes, and no separate debug information is looked for.
//
// Strings that come back are copied into the caller's buffers, cut to fit, and always terminated.
#ifndef RSB_DEBUG_INFO_H
#define RSB_DEBUG_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RSB_DEBUG_TEXT_MAX 512

// One address space: its images, and what is known of them so far.
typedef struct rsb_debug rsb_debug;

// NULL when there is no memory.
rsb_debug *rsb_debug_new(void);
void rsb_debug_free(rsb_debug *debug);

// Adds an ELF image that is loaded with this bias (address in memory minus address in the file). Between these calls and
// the first question lies one rsb_debug_ready. False when libdw refuses it.
bool rsb_debug_add(rsb_debug *debug, const char *name, const uint8_t *bytes, size_t count, uint64_t bias);
bool rsb_debug_ready(rsb_debug *debug);

// A function that an address lies in.
typedef struct {
  // Empty when unknown.
  char function[RSB_DEBUG_TEXT_MAX];
  // Empty without line information.
  char file[RSB_DEBUG_TEXT_MAX];
  // 0 when unknown.
  int32_t line;
  int32_t column;
  // Of optimised code: another line of the same file whose statement begins at this very instruction; 0 when there is none.
  int32_t also_line;
  // The function's code is a part of the next one's.
  bool is_inlined;
} rsb_debug_place;

// The functions at an address, the innermost first: inlined ones, then the one that they are in. At most `max`; 0 outside of all
// images. Without debug information one place with the symbol's name.
size_t rsb_debug_places(rsb_debug *debug, uint64_t address, rsb_debug_place *places, size_t max);

typedef struct {
  char name[RSB_DEBUG_TEXT_MAX];
  // The address's distance from the symbol's start.
  uint64_t offset;
  uint64_t size;
  bool is_function;
} rsb_debug_symbol;

// The symbol whose bytes hold this address (a function without a size: the nearest before it). False when there is none.
bool rsb_debug_symbol_at(rsb_debug *debug, uint64_t address, rsb_debug_symbol *symbol);

// What a value is made of.
enum {
  RSB_DEBUG_UNKNOWN,
  RSB_DEBUG_SIGNED,
  RSB_DEBUG_UNSIGNED,
  RSB_DEBUG_BOOL,
  RSB_DEBUG_CHARACTER,
  RSB_DEBUG_FLOAT,
  RSB_DEBUG_POINTER,
  RSB_DEBUG_ENUMERATION,
  // A lock or the like of a library, whose inside nobody needs to know.
  RSB_DEBUG_OPAQUE,
};

typedef struct {
  // How the bytes are reached from the variable's name: ".items[3].count"; empty for the variable itself.
  char path[RSB_DEBUG_TEXT_MAX];
  // Of what the path names, and how far its bytes are from that one's start.
  int32_t kind;
  uint64_t size;
  uint64_t offset;
} rsb_debug_member;

// The part of a global variable that holds these bytes, by the types of the debug information. False when they are in none of its variables.
bool rsb_debug_member_at(rsb_debug *debug, uint64_t address, uint64_t size, rsb_debug_member *member);
// The name of a value of the enumeration that lies at this address. False when it has none.
bool rsb_debug_enumerator_at(rsb_debug *debug, uint64_t address, uint64_t size, int64_t value, char name[RSB_DEBUG_TEXT_MAX]);

// Whether the image at this address has any line information.
bool rsb_debug_has_lines(rsb_debug *debug, uint64_t address);

// Reads a word of memory; false where there is none.
typedef bool (*rsb_debug_reader)(void *argument, uint64_t address, uint64_t *word);

typedef struct {
  uint64_t pc;
  // The pc is the next instruction's, not the one behind a call.
  bool is_activation;
} rsb_debug_frame;

// The stack of a task with these registers, in DWARF's order: rax rdx rcx rbx rsi rdi rbp rsp r8-r15 rip. The innermost frame first,
// at most `max`. What can be found; at least the first.
size_t rsb_debug_unwind(
  rsb_debug *debug, const uint64_t registers[17], rsb_debug_reader reader, void *argument, rsb_debug_frame *frames,
  size_t max);

#endif
