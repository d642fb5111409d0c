// shows: flags live across loop ends, loop, loope, loopne, jrcxz, calls, returns and indirect jumps: carry chains of big numbers.
// build: static -O1 -pthread -static
// build: pie -O1 -fPIE -pie -pthread
#include "guest.h"

enum { WORDS = 40 };
uint64_t add_dec(uint64_t *r, const uint64_t *a, const uint64_t *b, uint64_t words), add_loop(uint64_t *r, const uint64_t *a, const uint64_t *b, uint64_t words),
    add_jrcxz(uint64_t *r, const uint64_t *a, const uint64_t *b, uint64_t words), add_call(uint64_t *r, const uint64_t *a, const uint64_t *b, uint64_t words),
    sub_indirect(uint64_t *r, const uint64_t *a, const uint64_t *b, uint64_t words), shift_loop(uint64_t *r, const uint64_t *a, const uint64_t *b, uint64_t words);
long find_loope(const char *bytes, long count), find_loopne(const char *bytes, long count, int byte), kept_by_lahf(long n), all_conditions(long a, long b);
__asm__(
    ".text\n"
    // rdi = result, rsi, rdx = operands, rcx = words; the carry lives from turn to turn, and is the answer.
    "add_dec: xor %r8d, %r8d\n 1: mov (%rsi,%r8,8), %r11\n adc (%rdx,%r8,8), %r11\n mov %r11, (%rdi,%r8,8)\n inc %r8\n dec %rcx\n jnz 1b\n setc %al\n movzx %al, %eax\n ret\n"
    "add_loop: lea (%rsi), %r9\n clc\n 1: mov (%r9), %rax\n adc (%rdx), %rax\n mov %rax, (%rdi)\n lea 8(%r9), %r9\n lea 8(%rdx), %rdx\n lea 8(%rdi), %rdi\n loop 1b\n sbb %rax, %rax\n neg %rax\n ret\n"
    "add_jrcxz: clc\n 1: mov (%rsi), %r11\n adc (%rdx), %r11\n mov %r11, (%rdi)\n lea 8(%rsi), %rsi\n lea 8(%rdx), %rdx\n lea 8(%rdi), %rdi\n lea -1(%rcx), %rcx\n jrcxz 2f\n jmp 1b\n"
    "2: setc %al\n movzx %al, %eax\n ret\n"
    "add_call: push %rbx\n lea add_step(%rip), %rbx\n clc\n 1: call *%rbx\n lea -1(%rcx), %rcx\n jrcxz 2f\n call add_step\n lea -1(%rcx), %rcx\n jrcxz 2f\n jmp 1b\n"
    "2: setc %al\n movzx %al, %eax\n pop %rbx\n ret\n"
    "add_step: mov (%rsi), %r11\n adc (%rdx), %r11\n mov %r11, (%rdi)\n lea 8(%rsi), %rsi\n lea 8(%rdx), %rdx\n lea 8(%rdi), %rdi\n ret\n"
    "sub_indirect: lea 1f(%rip), %r11\n clc\n jmp *%r11\n 1: mov (%rsi), %rax\n sbb (%rdx), %rax\n mov %rax, (%rdi)\n lea 8(%rsi), %rsi\n lea 8(%rdx), %rdx\n lea 8(%rdi), %rdi\n lea -1(%rcx), %rcx\n"
    " jrcxz 2f\n jmp *%r11\n 2: setc %al\n movzx %al, %eax\n ret\n"
    "shift_loop: xor %r8d, %r8d\n 1: mov (%rsi,%r8,8), %rax\n rcl $1, %rax\n mov %rax, (%rdi,%r8,8)\n inc %r8\n dec %rcx\n jnz 1b\n setc %al\n movzx %al, %eax\n ret\n"
    // How many bytes from the start are zero; at which byte is it.
    "find_loope: mov %rsi, %rcx\n dec %rdi\n 1: inc %rdi\n cmpb $0, (%rdi)\n loope 1b\n mov %rsi, %rax\n jne 2f\n sub %rcx, %rax\n ret\n 2: sub %rcx, %rax\n dec %rax\n ret\n"
    "find_loopne: mov %rsi, %rcx\n dec %rdi\n 1: inc %rdi\n cmp %dl, (%rdi)\n loopne 1b\n mov %rsi, %rax\n sub %rcx, %rax\n ret\n"
    // lahf and pushf after branches that come with flags set before them.
    "kept_by_lahf: xor %r8d, %r8d\n mov %rdi, %rcx\n 1: mov %rcx, %rax\n and $7, %eax\n sub $3, %rax\n jmp 2f\n ud2\n 2: lahf\n pushfq\n pop %r10\n movzx %ah, %eax\n mov %eax, %r9d\n and $0xd5, %r10d\n and $0xd5, %r9d\n"
    " xor %r10, %r9\n add %r9, %r8\n lea (%r8,%r10), %r8\n loop 1b\n mov %r8, %rax\n ret\n"
    // A cmp, then every condition through branches whose targets are blocks of their own.
    "all_conditions: xor %eax, %eax\n cmp %rsi, %rdi\n"
    " jo 1f\n lea 0x1(%rax), %rax\n 1: jb 1f\n lea 0x2(%rax), %rax\n 1: jz 1f\n lea 0x4(%rax), %rax\n 1: jbe 1f\n lea 0x8(%rax), %rax\n 1: js 1f\n lea 0x10(%rax), %rax\n"
    " 1: jp 1f\n lea 0x20(%rax), %rax\n 1: jl 1f\n lea 0x40(%rax), %rax\n 1: jle 1f\n lea 0x80(%rax), %rax\n 1: ret\n");

static uint64_t draw(uint64_t *state) {
  *state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
  // Often all ones, so that carries travel far.
  return *state % 3 == 0 ? ~0ul : *state % 5 == 0 ? 0 : *state;
}

static void *body(void *argument) {
  uint64_t state = 88172645463325252u + (uint64_t)argument, a[WORDS], b[WORDS], wanted[WORDS], got[WORDS];
  for (int round = 0; round < 200; round++) {
    unsigned words = 1 + (unsigned)(round % WORDS), carry = 0, borrow = 0, top = 0;
    for (unsigned i = 0; i < words; i++) a[i] = draw(&state), b[i] = draw(&state);
    for (unsigned i = 0; i < words; i++) {
      unsigned __int128 sum = (unsigned __int128)a[i] + b[i] + carry;
      wanted[i] = (uint64_t)sum, carry = (unsigned)(sum >> 64);
    }
    uint64_t (*const adders[])(uint64_t *, const uint64_t *, const uint64_t *, uint64_t) = {add_dec, add_loop, add_jrcxz, add_call};
    for (int i = 0; i < 4; i++) {
      memset(got, 0, sizeof got);
      CHECK(adders[i](got, a, b, words) == carry && memcmp(got, wanted, words * 8) == 0);
    }
    for (unsigned i = 0; i < words; i++) {
      unsigned __int128 difference = (unsigned __int128)a[i] - b[i] - borrow;
      wanted[i] = (uint64_t)difference, borrow = (unsigned)(difference >> 64) & 1;
    }
    CHECK(sub_indirect(got, a, b, words) == borrow && memcmp(got, wanted, words * 8) == 0);
    for (unsigned i = 0; i < words; i++) wanted[i] = a[i] << 1 | top, top = (unsigned)(a[i] >> 63);
    CHECK(shift_loop(got, a, b, words) == top && memcmp(got, wanted, words * 8) == 0);
    char bytes[64] = {0};
    long at = round % 60;
    bytes[at] = 5;
    CHECK(find_loope(bytes, 64) == at);
    CHECK(find_loopne(bytes, 64, 5) == at + 1);
    long x = (long)draw(&state), y = (long)draw(&state), difference, seen = all_conditions(x, y);
    int overflow = __builtin_sub_overflow(x, y, &difference);
    long conditions = overflow | (long)((uint64_t)x < (uint64_t)y) << 1 | (long)(x == y) << 2 | (long)((uint64_t)x <= (uint64_t)y) << 3 | (long)(difference < 0) << 4 |
                      (long)(__builtin_parity((unsigned)difference & 255) == 0) << 5 | (long)(x < y) << 6 | (long)(x <= y) << 7;
    CHECK(seen == (~conditions & 0xff));
  }
  long expected = 0;
  for (long i = 1; i <= 1000; i++) {
    long value = (i & 7) - 3;
    expected += (value < 0 ? 0x81 : 0) | (value == 0 ? 0x40 : 0) | (((i & 7) & 15) < 3 ? 0x10 : 0) | (__builtin_parity((unsigned)value & 255) == 0 ? 4 : 0);
  }
  CHECK(kept_by_lahf(1000) == expected);
  return NULL;
}

int main(void) {
  pthread_t threads[3];
  for (long i = 0; i < 3; i++) ZERO(pthread_create(&threads[i], NULL, body, (void *)i));
  for (int i = 0; i < 3; i++) ZERO(pthread_join(threads[i], NULL));
  return guest_done("flags");
}
