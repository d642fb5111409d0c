// Global variables by libdw: which part of one an address is in (members of structures, elements of arrays), and of what type that is.
//
// Debug information is not trusted: depth, number and sizes are bounded, and every offset is checked against its type's size.
#include <dwarf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "debug.h"

enum { DEPTH_MAX = 32, VARIABLES_MAX = 1 << 20, DIMENSIONS_MAX = 8 };

// MARK: Variables

void rsb_debug_free_variables(rsb_debug *debug) { free(debug->variables); }

static bool type_of(Dwarf_Die *die, Dwarf_Die *type) {
  Dwarf_Attribute attribute;
  return dwarf_formref_die(dwarf_attr_integrate(die, DW_AT_type, &attribute), type) != NULL;
}

// The address that the linker gave a variable; false for those in registers, on stacks, or of threads.
static bool address_of(Dwarf_Die *die, Dwarf_Addr *address) {
  Dwarf_Attribute attribute;
  Dwarf_Op *operations;
  size_t count;
  if (dwarf_getlocation(dwarf_attr(die, DW_AT_location, &attribute), &operations, &count) != 0) return false;
  if (count != 1 || operations[0].atom != DW_OP_addr) return false;
  *address = operations[0].number;
  return true;
}

static void add_variable(rsb_debug *debug, Dwarf_Die *die, Dwarf_Addr bias) {
  rsb_debug_variable variable;
  Dwarf_Addr address;
  Dwarf_Word size;
  if (!address_of(die, &address) || !type_of(die, &variable.type)) return;
  if (dwarf_aggregate_size(&variable.type, &size) != 0 || size == 0) return;
  if (debug->variable_count == debug->variables_max) {
    size_t max = debug->variables_max == 0 ? 256 : 2 * debug->variables_max;
    if (max > VARIABLES_MAX) return;
    rsb_debug_variable *grown = realloc(debug->variables, max * sizeof *grown);
    if (grown == NULL) return;
    debug->variables = grown;
    debug->variables_max = max;
  }
  variable.address = address + bias;
  variable.size = size;
  debug->variables[debug->variable_count++] = variable;
}

// Those of a unit, its namespaces, and the static ones of its functions.
static void add_variables(rsb_debug *debug, Dwarf_Die *parent, Dwarf_Addr bias, int depth) {
  Dwarf_Die die;
  if (depth > DEPTH_MAX || dwarf_child(parent, &die) != 0) return;
  do {
    switch (dwarf_tag(&die)) {
    case DW_TAG_variable: add_variable(debug, &die, bias); break;
    case DW_TAG_namespace:
    case DW_TAG_subprogram:
    case DW_TAG_lexical_block: add_variables(debug, &die, bias, depth + 1); break;
    }
  } while (dwarf_siblingof(&die, &die) == 0);
}

static int compare(const void *one, const void *two) {
  const rsb_debug_variable *a = one, *b = two;
  if (a->address != b->address) return a->address < b->address ? -1 : 1;
  return a->size < b->size ? -1 : a->size > b->size;
}

static int add_module(Dwfl_Module *module, void **data, const char *name, Dwarf_Addr start, void *argument) {
  (void)data, (void)name, (void)start;
  Dwarf_Addr bias;
  Dwarf_Die *unit = NULL;
  while ((unit = dwfl_module_nextcu(module, unit, &bias)) != NULL) add_variables(argument, unit, bias, 0);
  return DWARF_CB_OK;
}

static const rsb_debug_variable *variable_at(rsb_debug *debug, uint64_t address) {
  if (!debug->has_variables) {
    debug->has_variables = true;
    dwfl_getmodules(debug->dwfl, add_module, debug, 0);
    if (debug->variable_count > 0) qsort(debug->variables, debug->variable_count, sizeof *debug->variables, compare);
  }
  size_t low = 0, high = debug->variable_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (debug->variables[middle].address <= address) low = middle + 1;
    else high = middle;
  }
  if (low == 0) return NULL;
  const rsb_debug_variable *found = &debug->variables[low - 1];
  return address - found->address < found->size ? found : NULL;
}

// MARK: Parts

// A part of a variable on the way to the bytes that are asked for.
typedef struct {
  Dwarf_Die type;
  // Of the bytes, from the part's start.
  uint64_t offset;
  uint64_t size;
  char *path;
  bool is_opaque;
} rsb_part;

static bool add_text(rsb_part *part, const char *before, const char *text) {
  size_t used = strlen(part->path);
  int length = snprintf(part->path + used, RSB_DEBUG_TEXT_MAX - used, "%s%s", before, text);
  if (length >= 0 && (size_t)length < RSB_DEBUG_TEXT_MAX - used) return true;
  part->path[used] = 0;
  return false;
}

// Takes off names and qualifiers. False at a type that cannot be followed.
static bool peel(rsb_part *part) {
  for (int depth = 0; depth < DEPTH_MAX; depth++) {
    switch (dwarf_tag(&part->type)) {
    case DW_TAG_typedef: {
      const char *name = dwarf_diename(&part->type);
      // pthread_mutex_t and its like; sem_t.
      if (name != NULL && (strncmp(name, "pthread_", 8) == 0 || strcmp(name, "sem_t") == 0)) part->is_opaque = true;
      if (part->is_opaque) return true;
      break;
    }
    case DW_TAG_const_type:
    case DW_TAG_volatile_type:
    case DW_TAG_atomic_type:
    case DW_TAG_restrict_type: break;
    default: return true;
    }
    Dwarf_Die next;
    if (!type_of(&part->type, &next)) return false;
    part->type = next;
  }
  return false;
}

static bool enter_member(rsb_part *part) {
  Dwarf_Die member;
  if (dwarf_child(&part->type, &member) != 0) return false;
  do {
    int tag = dwarf_tag(&member);
    if (tag != DW_TAG_member && tag != DW_TAG_inheritance) continue;
    Dwarf_Attribute attribute;
    Dwarf_Word place = 0, size;
    Dwarf_Die type;
    // Those of a union have no place; fields of bits have one of another kind.
    Dwarf_Attribute *found = dwarf_attr(&member, DW_AT_data_member_location, &attribute);
    if (found != NULL ? dwarf_formudata(found, &place) != 0 : dwarf_tag(&part->type) != DW_TAG_union_type) continue;
    if (!type_of(&member, &type) || dwarf_aggregate_size(&type, &size) != 0) continue;
    if (part->offset < place || part->offset - place >= size || part->size > size - (part->offset - place)) continue;
    const char *name = dwarf_diename(&member);
    if (tag == DW_TAG_member && name != NULL && !add_text(part, ".", name)) return false;
    part->type = type;
    part->offset -= place;
    return true;
  } while (dwarf_siblingof(&member, &member) == 0);
  return false;
}

// The numbers of an array's elements by dimension; 0 when one is not known.
static size_t dimensions(Dwarf_Die *array, uint64_t counts[DIMENSIONS_MAX]) {
  Dwarf_Die range;
  size_t count = 0;
  if (dwarf_child(array, &range) != 0) return 0;
  do {
    Dwarf_Attribute attribute;
    Dwarf_Word number;
    if (dwarf_tag(&range) != DW_TAG_subrange_type) continue;
    if (count == DIMENSIONS_MAX) return 0;
    if (dwarf_formudata(dwarf_attr(&range, DW_AT_count, &attribute), &number) != 0) {
      if (dwarf_formudata(dwarf_attr(&range, DW_AT_upper_bound, &attribute), &number) != 0) return 0;
      number++;
    }
    if (number == 0 || number > UINT32_MAX) return 0;
    counts[count++] = number;
  } while (dwarf_siblingof(&range, &range) == 0);
  return count;
}

static bool enter_element(rsb_part *part) {
  Dwarf_Die element;
  Dwarf_Word size;
  uint64_t counts[DIMENSIONS_MAX];
  size_t dimension_count = dimensions(&part->type, counts);
  if (dimension_count == 0 || !type_of(&part->type, &element) || dwarf_aggregate_size(&element, &size) != 0 || size == 0) return false;
  uint64_t index = part->offset / size, inside = part->offset % size;
  if (part->size > size - inside) return false;
  char text[DIMENSIONS_MAX * 24] = "";
  // The last dimension's index changes first.
  for (size_t dimension = dimension_count; dimension-- > 0; index /= counts[dimension]) {
    char one[sizeof text];
    snprintf(one, sizeof one, "[%llu]%s", (unsigned long long)(index % counts[dimension]), text);
    memcpy(text, one, sizeof text);
  }
  if (!add_text(part, "", text)) return false;
  part->type = element;
  part->offset = inside;
  return true;
}

// Follows the bytes as far as they lie within one part.
static void follow(rsb_part *part) {
  for (int depth = 0; depth < DEPTH_MAX; depth++) {
    if (!peel(part) || part->is_opaque) return;
    switch (dwarf_tag(&part->type)) {
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
    case DW_TAG_union_type:
      if (!enter_member(part)) return;
      break;
    case DW_TAG_array_type:
      if (!enter_element(part)) return;
      break;
    default: return;
    }
  }
}

static int kind_of(rsb_part *part) {
  if (part->is_opaque) return RSB_DEBUG_OPAQUE;
  Dwarf_Attribute attribute;
  Dwarf_Word encoding;
  switch (dwarf_tag(&part->type)) {
  case DW_TAG_pointer_type:
  case DW_TAG_reference_type: return RSB_DEBUG_POINTER;
  case DW_TAG_enumeration_type: return RSB_DEBUG_ENUMERATION;
  case DW_TAG_base_type: break;
  default: return RSB_DEBUG_UNKNOWN;
  }
  if (dwarf_formudata(dwarf_attr(&part->type, DW_AT_encoding, &attribute), &encoding) != 0) return RSB_DEBUG_UNKNOWN;
  switch (encoding) {
  case DW_ATE_boolean: return RSB_DEBUG_BOOL;
  case DW_ATE_signed_char:
  case DW_ATE_unsigned_char: return RSB_DEBUG_CHARACTER;
  case DW_ATE_signed: return RSB_DEBUG_SIGNED;
  case DW_ATE_unsigned: return RSB_DEBUG_UNSIGNED;
  case DW_ATE_float: return RSB_DEBUG_FLOAT;
  default: return RSB_DEBUG_UNKNOWN;
  }
}

static bool part_at(rsb_debug *debug, uint64_t address, uint64_t size, rsb_part *part, char path[RSB_DEBUG_TEXT_MAX]) {
  const rsb_debug_variable *variable = variable_at(debug, address);
  if (variable == NULL) return false;
  path[0] = 0;
  *part = (rsb_part){variable->type, address - variable->address, size, path, false};
  if (size > variable->size - part->offset) return false;
  follow(part);
  return true;
}

bool rsb_debug_member_at(rsb_debug *debug, uint64_t address, uint64_t size, rsb_debug_member *member) {
  rsb_part part;
  Dwarf_Word whole;
  if (!part_at(debug, address, size, &part, member->path)) return false;
  member->kind = kind_of(&part);
  member->offset = part.offset;
  member->size = dwarf_aggregate_size(&part.type, &whole) == 0 ? whole : 0;
  return true;
}

bool rsb_debug_enumerator_at(rsb_debug *debug, uint64_t address, uint64_t size, int64_t value, char name[RSB_DEBUG_TEXT_MAX]) {
  rsb_part part;
  char path[RSB_DEBUG_TEXT_MAX];
  if (!part_at(debug, address, size, &part, path) || kind_of(&part) != RSB_DEBUG_ENUMERATION) return false;
  Dwarf_Die enumerator;
  if (dwarf_child(&part.type, &enumerator) != 0) return false;
  do {
    Dwarf_Attribute attribute;
    Dwarf_Sword number;
    if (dwarf_tag(&enumerator) != DW_TAG_enumerator) continue;
    if (dwarf_formsdata(dwarf_attr(&enumerator, DW_AT_const_value, &attribute), &number) != 0 || number != value) continue;
    rsb_debug_copy(name, dwarf_diename(&enumerator));
    return name[0] != 0;
  } while (dwarf_siblingof(&enumerator, &enumerator) == 0);
  return false;
}
