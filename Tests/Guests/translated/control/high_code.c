// shows: code above 2 GiB, at 6 GiB and near the top of memory: calls, tables, rip-relative data, callbacks both ways.
// build: static -O1 -pthread -static
#include <ucontext.h>
#include "guest.h"

extern char blob[], blob_end[], blob_entry[], blob_data[], blob_fault[];
__asm__(
    ".text\n.balign 16\nblob:\n"
    // long entry(long n, long (*callback)(long)): sums callback(table[i % 3](i)) for i below n
    "blob_entry: push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n mov %rdi, %rbx\n mov %rsi, %rbp\n xor %r12d, %r12d\n xor %r13d, %r13d\n"
    "1: cmp %rbx, %r12\n jge 3f\n mov %r12, %rax\n xor %edx, %edx\n mov $3, %ecx\n div %rcx\n"
    " lea blob_table(%rip), %r11\n movslq (%r11,%rdx,4), %rax\n add %rax, %r11\n mov %r12, %rdi\n call *%r11\n"
    " mov %rax, %rdi\n call blob_call_back\n add %rax, %r13\n incq blob_data(%rip)\n inc %r12\n jmp 1b\n"
    "3: mov %r13, %rax\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n"
    "blob_call_back: sub $8, %rsp\n call *%rbp\n add $8, %rsp\n ret\n"
    "blob_one: lea 1(%rdi), %rax\n ret\n blob_two: lea (%rdi,%rdi), %rax\n ret\n"
    "blob_three: mov %rdi, %rax\n mov $3, %ecx\n 4: add $5, %rax\n loop 4b\n ret\n"
    "blob_fault: mov 0x10, %rax\n ret\n"
    ".balign 4\nblob_table: .long blob_one - blob_table, blob_two - blob_table, blob_three - blob_table\n"
    ".balign 8\nblob_data: .quad 0\nblob_end:\n");

static long __attribute__((noinline)) callback(long value) { return value * 3; }
static volatile uint64_t fault_rip;
static sigjmp_buf back;
static void on_fault(int number, siginfo_t *info, void *raw) {
  (void)info;
  fault_rip = (uint64_t)((ucontext_t *)raw)->uc_mcontext.gregs[REG_RIP];
  siglongjmp(back, number);
}

static long expected(long n) {
  long sum = 0;
  for (long i = 0; i < n; i++) sum += 3 * (i % 3 == 0 ? i + 1 : i % 3 == 1 ? i * 2 : i + 15);
  return sum;
}

static long (*entry)(long, long (*)(long));
static void *body(void *argument) {
  for (int i = 0; i < 30; i++) CHECK(entry(i * 10, callback) == expected(i * 10));
  return argument;
}

int main(void) {
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
  OK(sigaction(SIGSEGV, &action, NULL));
  uint64_t places[] = {0x180000000, 0x200000000000, 0x7e0000000000};
  for (int place = 0; place < 3; place++) {
    unsigned char *page = mmap((void *)places[place], 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    CHECK(page == (unsigned char *)places[place]);
    // Across the border of its two pages.
    unsigned char *at = page + 4096 - (blob_end - blob) / 2 / 16 * 16;
    memcpy(at, blob, (size_t)(blob_end - blob));
    entry = (long (*)(long, long (*)(long)))(at + (blob_entry - blob));
    CHECK(entry(1000, callback) == expected(1000));
    CHECK(*(long *)(at + (blob_data - blob)) == 1000);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) ZERO(pthread_create(&threads[i], NULL, body, NULL));
    for (int i = 0; i < 2; i++) ZERO(pthread_join(threads[i], NULL));
    if (sigsetjmp(back, 1) == 0) ((void (*)(void))(at + (blob_fault - blob)))();
    CHECK(fault_rip == (uint64_t)at + (uint64_t)(blob_fault - blob));
  }
  return guest_done("high_code");
}
