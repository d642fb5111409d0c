// shows: dlopen and dlclose of two libraries of its own making, the same path rewritten in between, 50 times.
// build: dynamic -O1 -pthread -ldl
#include <dlfcn.h>
#include <elf.h>
#include "guest.h"

// A shared library with one function, `answer`, that gives `value` by way of rip-relative data and a call.
struct image {
  Elf64_Ehdr header;
  Elf64_Phdr segments[3];
  Elf64_Dyn dynamic[6];
  Elf64_Sym symbols[2];
  uint32_t hash[5];
  char strings[16];
  unsigned char code[64];
};

static void write_library(const char *path, int value, int padding) {
  struct image *image = calloc(1, sizeof *image);
  memcpy(image->header.e_ident, "\x7f" "ELF\2\1\1", 7);
  image->header.e_type = ET_DYN, image->header.e_machine = EM_X86_64, image->header.e_version = 1;
  image->header.e_phoff = offsetof(struct image, segments), image->header.e_ehsize = sizeof image->header;
  image->header.e_phentsize = sizeof(Elf64_Phdr), image->header.e_phnum = 3;
  image->segments[0] = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R | PF_W | PF_X, .p_filesz = sizeof *image, .p_memsz = sizeof *image, .p_align = 4096};
  image->segments[1] = (Elf64_Phdr){.p_type = PT_DYNAMIC, .p_flags = PF_R | PF_W, .p_offset = offsetof(struct image, dynamic), .p_vaddr = offsetof(struct image, dynamic),
                                    .p_filesz = sizeof image->dynamic, .p_memsz = sizeof image->dynamic, .p_align = 8};
  image->segments[2] = (Elf64_Phdr){.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W};
  image->dynamic[0] = (Elf64_Dyn){DT_HASH, {offsetof(struct image, hash)}};
  image->dynamic[1] = (Elf64_Dyn){DT_SYMTAB, {offsetof(struct image, symbols)}};
  image->dynamic[2] = (Elf64_Dyn){DT_STRTAB, {offsetof(struct image, strings)}};
  image->dynamic[3] = (Elf64_Dyn){DT_STRSZ, {sizeof image->strings}};
  image->dynamic[4] = (Elf64_Dyn){DT_SYMENT, {sizeof(Elf64_Sym)}};
  image->hash[0] = 1, image->hash[1] = 2, image->hash[2] = 1;
  memcpy(image->strings, "\0answer", 8);
  image->symbols[1] = (Elf64_Sym){.st_name = 1, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), .st_shndx = 1, .st_value = offsetof(struct image, code) + (unsigned)padding, .st_size = 16};
  memset(image->code, 0x90, sizeof image->code);
  // call 1f; ret; 1: mov value(%rip), %eax; ret; value
  unsigned char *at = image->code + padding;
  memcpy(at, "\xe8\x01\x00\x00\x00\xc3\x8b\x05\x01\x00\x00\x00\xc3", 13);
  memcpy(at + 13, &value, 4);
  int file = OK(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0700));
  CHECK(write(file, image, sizeof *image) == sizeof *image);
  OK(close(file));
  free(image);
}

static int ask(const char *path) {
  void *library = dlopen(path, RTLD_NOW);
  if (!library) {
    printf("FAIL %s\n", dlerror());
    guest_failures++;
    return -1;
  }
  int (*answer)(void) = (int (*)(void))dlsym(library, "answer");
  int value = answer ? answer() + answer() - answer() : -1;
  CHECK(dlclose(library) == 0);
  return value;
}

int main(void) {
  for (int i = 0; i < 50; i++) {
    // In place, as a build would not do but an editor might; and as a new file under the same name.
    if (i % 2) OK(unlink("./one.so"));
    write_library("./one.so", i, i % 3 * 8);
    write_library("./two.so", 1000 + i, 0);
    CHECK(ask("./one.so") == i);
    CHECK(ask("./two.so") == 1000 + i);
  }
  OK(unlink("./one.so"));
  OK(unlink("./two.so"));
  return guest_done("libraries");
}
