// Names, lines and stacks by libdw and libdwfl of elfutils (linked statically).
//
// Images are given as bytes and go to libdwfl as sealed descriptors of memory: it wants files. Its call-backs that look for files of
// the host find none. A session is one address space; libdwfl wants a "process" with one "thread" to unwind, whose
// registers and memory come from the caller.
//
// What comes in is not trusted, but libdw parses it: sizes are bounded by the caller, the number of frames, scopes and texts here.
#define _GNU_SOURCE
#include "debug.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// libstdc++'s, which has no C header.
extern char *__cxa_demangle(const char *name, char *buffer, size_t *length, int *status);

enum { THREAD_NUMBER = 1, REGISTER_COUNT = 17 };

// MARK: The session

static int find_no_elf(
  Dwfl_Module *module, void **data, const char *name, Dwarf_Addr base, char **file_name, Elf **elf) {
  (void)module, (void)data, (void)name, (void)base, (void)file_name, (void)elf;
  return -1;
}

static int find_no_debug_information(
  Dwfl_Module *module, void **data, const char *name, Dwarf_Addr base, const char *file_name, const char *link,
  GElf_Word checksum, char **found) {
  (void)module, (void)data, (void)name, (void)base, (void)file_name, (void)link, (void)checksum, (void)found;
  return -1;
}

static const Dwfl_Callbacks callbacks = {
  .find_elf = find_no_elf,
  .find_debuginfo = find_no_debug_information,
  .section_address = dwfl_offline_section_address,
};

rsb_debug *rsb_debug_new(void) {
  rsb_debug *debug = calloc(1, sizeof *debug);
  if (debug == NULL) return NULL;
  debug->dwfl = dwfl_begin(&callbacks);
  if (debug->dwfl == NULL) {
    free(debug);
    return NULL;
  }
  dwfl_report_begin(debug->dwfl);
  return debug;
}

void rsb_debug_free(rsb_debug *debug) {
  if (debug == NULL) return;
  rsb_debug_free_variables(debug);
  dwfl_end(debug->dwfl);
  free(debug);
}

bool rsb_debug_add(rsb_debug *debug, const char *name, const uint8_t *bytes, size_t count, uint64_t bias) {
  int file = memfd_create("image", MFD_CLOEXEC);
  if (file < 0) return false;
  size_t done = 0;
  while (done < count) {
    ssize_t part = write(file, bytes + done, count - done);
    if (part <= 0) {
      close(file);
      return false;
    }
    done += (size_t)part;
  }
  // The name as a path too, which is not opened: the descriptor is there.
  if (dwfl_report_elf(debug->dwfl, name, name, file, bias, true) != NULL) return true;
  close(file);
  return false;
}

bool rsb_debug_ready(rsb_debug *debug) { return dwfl_report_end(debug->dwfl, NULL, NULL) == 0; }

// MARK: Names and lines

void rsb_debug_copy(char *target, const char *text) {
  if (text == NULL) text = "";
  size_t length = strnlen(text, RSB_DEBUG_TEXT_MAX - 1);
  memcpy(target, text, length);
  target[length] = 0;
}

static void copy(char *target, const char *text) { rsb_debug_copy(target, text); }

static void copy_demangled(char *target, const char *name) {
  char *plain = NULL;
  if (name != NULL && name[0] == '_' && name[1] == 'Z') {
    int status = 0;
    plain = __cxa_demangle(name, NULL, NULL, &status);
  }
  copy(target, plain != NULL ? plain : name);
  free(plain);
}

static bool is_function(Dwarf_Die *die) {
  int tag = dwarf_tag(die);
  return tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine;
}

// Whether a function whose code is at the address stands on this line: its first instruction has a row for that too.
static bool is_declaration(Dwarf_Die *unit, Dwarf_Addr address, int line) {
  Dwarf_Die *scopes = NULL;
  int count = dwarf_getscopes(unit, address, &scopes);
  bool is_found = false;
  for (int index = 0; index < count; index++) {
    int number;
    if (is_function(&scopes[index]) && dwarf_decl_line(&scopes[index], &number) == 0 && number == line) is_found = true;
  }
  if (count > 0) free(scopes);
  return is_found;
}

// Where several statements begin at one instruction, as they do in optimised code, the line table has a row for each, and the last one
// counts. The one before it of another line.
static int other_line(Dwarf_Die *unit, Dwarf_Addr address, int line) {
  Dwarf_Lines *lines;
  size_t count;
  if (dwarf_getsrclines(unit, &lines, &count) != 0) return 0;
  // Behind the last row at or before the address: rows are sorted.
  size_t low = 0, high = count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    Dwarf_Addr at;
    if (dwarf_lineaddr(dwarf_onesrcline(lines, middle), &at) != 0) return 0;
    if (at <= address) low = middle + 1;
    else high = middle;
  }
  const char *file = NULL;
  while (low-- > 0) {
    Dwarf_Line *row = dwarf_onesrcline(lines, low);
    Dwarf_Addr at;
    int number;
    bool is_statement;
    if (dwarf_lineaddr(row, &at) != 0 || at != address || dwarf_lineno(row, &number) != 0) return 0;
    const char *row_file = dwarf_linesrc(row, NULL, NULL);
    if (row_file == NULL) return 0;
    if (file == NULL) file = row_file;
    if (number == line || number <= 0 || strcmp(file, row_file) != 0) continue;
    if (dwarf_linebeginstatement(row, &is_statement) == 0 && is_statement && !is_declaration(unit, address, number)) return number;
  }
  return 0;
}

// A function's name as the program's language has it.
static void copy_name(char *target, Dwarf_Die *die) {
  Dwarf_Attribute attribute;
  Dwarf_Attribute *found = dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute);
  const char *name = found != NULL ? dwarf_formstring(found) : NULL;
  if (name == NULL) name = dwarf_diename(die);
  copy_demangled(target, name);
}

// Where an inlined function is called: the line of the function around it.
static void set_call_site(rsb_debug_place *place, Dwarf_Die *unit, Dwarf_Die *inlined) {
  Dwarf_Attribute attribute;
  Dwarf_Word value;
  Dwarf_Files *files;
  size_t count;
  if (dwarf_getsrcfiles(unit, &files, &count) == 0 &&
      dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attribute), &value) == 0 && value < count)
    copy(place->file, dwarf_filesrc(files, value, NULL, NULL));
  if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &attribute), &value) == 0) place->line = (int32_t)value;
  if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_column, &attribute), &value) == 0) place->column = (int32_t)value;
}

static size_t add_functions(
  Dwarf_Die *unit, Dwarf_Addr address, rsb_debug_place *places, size_t max, const rsb_debug_place *innermost) {
  Dwarf_Die *scopes = NULL;
  int count = dwarf_getscopes(unit, address, &scopes);
  if (count <= 0) return 0;
  // The scopes around an inlined function are those of its definition; those of the place where its code is start anew.
  Dwarf_Die *around = NULL;
  int around_count = dwarf_getscopes_die(&scopes[0], &around);
  size_t found = 0;
  rsb_debug_place next = *innermost;
  for (int index = 0; index < around_count && found < max; index++) {
    if (!is_function(&around[index])) continue;
    places[found] = next;
    copy_name(places[found].function, &around[index]);
    places[found].is_inlined = dwarf_tag(&around[index]) == DW_TAG_inlined_subroutine;
    memset(&next, 0, sizeof next);
    if (!places[found++].is_inlined) break;
    set_call_site(&next, unit, &around[index]);
  }
  free(around);
  free(scopes);
  return found;
}

size_t rsb_debug_places(rsb_debug *debug, uint64_t address, rsb_debug_place *places, size_t max) {
  Dwfl_Module *module = dwfl_addrmodule(debug->dwfl, address);
  if (module == NULL || max == 0) return 0;
  rsb_debug_place innermost;
  memset(&innermost, 0, sizeof innermost);
  Dwfl_Line *line = dwfl_module_getsrc(module, address);
  if (line != NULL) {
    int number = 0, column = 0;
    const char *file = dwfl_lineinfo(line, NULL, &number, &column, NULL, NULL);
    copy(innermost.file, file);
    innermost.line = number;
    innermost.column = column;
  }
  Dwarf_Addr bias = 0;
  Dwarf_Die *unit = dwfl_module_addrdie(module, address, &bias);
  if (unit != NULL) {
    if (innermost.line > 0) innermost.also_line = other_line(unit, address - bias, innermost.line);
    size_t found = add_functions(unit, address - bias, places, max, &innermost);
    if (found > 0) return found;
  }
  rsb_debug_symbol symbol;
  places[0] = innermost;
  if (rsb_debug_symbol_at(debug, address, &symbol)) copy(places[0].function, symbol.name);
  return 1;
}

bool rsb_debug_symbol_at(rsb_debug *debug, uint64_t address, rsb_debug_symbol *symbol) {
  Dwfl_Module *module = dwfl_addrmodule(debug->dwfl, address);
  if (module == NULL) return false;
  GElf_Off offset = 0;
  GElf_Sym found;
  const char *name = dwfl_module_addrinfo(module, address, &offset, &found, NULL, NULL, NULL);
  if (name == NULL) return false;
  int type = GELF_ST_TYPE(found.st_info);
  symbol->is_function = type == STT_FUNC || type == STT_GNU_IFUNC;
  bool is_inside = offset < found.st_size || (found.st_size == 0 && type == STT_FUNC);
  if (!is_inside) return false;
  copy_demangled(symbol->name, name);
  symbol->offset = offset;
  symbol->size = found.st_size;
  return true;
}

bool rsb_debug_has_lines(rsb_debug *debug, uint64_t address) {
  Dwfl_Module *module = dwfl_addrmodule(debug->dwfl, address);
  Dwarf_Addr bias;
  return module != NULL && dwfl_module_nextcu(module, NULL, &bias) != NULL;
}

// MARK: Stacks

static pid_t next_thread(Dwfl *dwfl, void *argument, void **thread_argument) {
  (void)dwfl;
  if (*thread_argument != NULL) return 0;
  *thread_argument = argument;
  return THREAD_NUMBER;
}

static bool get_thread(Dwfl *dwfl, pid_t thread, void *argument, void **thread_argument) {
  (void)dwfl;
  *thread_argument = argument;
  return thread == THREAD_NUMBER;
}

static bool read_memory(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *result, void *argument) {
  (void)dwfl;
  rsb_debug *debug = argument;
  uint64_t word = 0;
  if (!debug->reader(debug->argument, address, &word)) return false;
  *result = word;
  return true;
}

static bool set_registers(Dwfl_Thread *thread, void *argument) {
  rsb_debug *debug = argument;
  Dwarf_Word words[REGISTER_COUNT];
  for (int index = 0; index < REGISTER_COUNT; index++) words[index] = debug->registers[index];
  return dwfl_thread_state_registers(thread, 0, REGISTER_COUNT, words);
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
  .next_thread = next_thread,
  .get_thread = get_thread,
  .memory_read = read_memory,
  .set_initial_registers = set_registers,
};

static int take_frame(Dwfl_Frame *frame, void *argument) {
  rsb_debug *debug = argument;
  Dwarf_Addr pc;
  bool is_activation = false;
  if (!dwfl_frame_pc(frame, &pc, &is_activation)) return DWARF_CB_ABORT;
  debug->frames[debug->frame_count].pc = pc;
  debug->frames[debug->frame_count].is_activation = is_activation;
  debug->frame_count++;
  return debug->frame_count < debug->frames_max ? DWARF_CB_OK : DWARF_CB_ABORT;
}

size_t rsb_debug_unwind(
  rsb_debug *debug, const uint64_t registers[17], rsb_debug_reader reader, void *argument, rsb_debug_frame *frames,
  size_t max) {
  if (max == 0) return 0;
  debug->registers = registers;
  debug->reader = reader;
  debug->argument = argument;
  debug->frames = frames;
  debug->frame_count = 0;
  debug->frames_max = max;
  if (!debug->is_attached) debug->is_attached = dwfl_attach_state(debug->dwfl, NULL, THREAD_NUMBER, &thread_callbacks, debug);
  // An end of the stack is an error to it, too: what was found counts.
  if (debug->is_attached) dwfl_getthread_frames(debug->dwfl, THREAD_NUMBER, take_frame, debug);
  if (debug->frame_count == 0) {
    frames[0].pc = registers[16];
    frames[0].is_activation = true;
    debug->frame_count = 1;
  }
  debug->registers = NULL;
  debug->reader = NULL;
  return debug->frame_count;
}

/// In the release binary, every dlopen(3) of libraries that are linked in comes here (Package.swift): it has no libraries to load.
void *__wrap_dlopen(const char *name, int flags);
void *__wrap_dlopen(const char *name, int flags) {
  (void)name;
  (void)flags;
  return NULL;
}
