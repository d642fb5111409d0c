// shows: a far jump into 32-bit mode does not open the 32-bit calls of the host.
// build: static -O1 -no-pie -static
// native: skip
// host-absent: ESCAPED
#include "escape.h"

static const char path[] = "ESCAPED";
int main(void) {
  escape_catch();
  unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  CHECK(code != MAP_FAILED);
  // 32-bit: mov eax,5; mov ebx,path; mov ecx,O_CREAT|O_WRONLY; mov edx,0666; int 0x80; ud2
  unsigned char *at = code;
  uint32_t values[4] = {5, (uint32_t)(uintptr_t)path, 0101, 0666};
  unsigned char opcodes[4] = {0xb8, 0xbb, 0xb9, 0xba};
  for (int i = 0; i < 4; i++) {
    *at++ = opcodes[i];
    memcpy(at, &values[i], 4);
    at += 4;
  }
  memcpy(at, "\xcd\x80\x0f\x0b", 4);
  pid_t child = OK(fork());
  if (child == 0) {
    struct { uint32_t offset; uint16_t segment; } __attribute__((packed)) far_pointer = {(uint32_t)(uintptr_t)code, 0x23};
    (void)ESCAPE(__asm__ volatile("ljmp *%0" ::"m"(far_pointer) : "memory"));
    _exit(0);
  }
  CHECK(guest_wait(child) != -1);
  return guest_done("code_segment");
}
