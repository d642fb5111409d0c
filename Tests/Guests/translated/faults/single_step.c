// shows: the trap flag set by popf: a SIGTRAP after each instruction with its exact rip, through branches, calls, returns and rep.
// build: static -O1 -static
#include <ucontext.h>
#include "guest.h"

enum { LIMIT = 64 };
static uint64_t seen[LIMIT], r11_seen[LIMIT];
static volatile int count, wrong;

void stepping(void);
extern char step_start[], step_a[], step_b[], step_c[], step_d[], step_e[], step_f[], step_g[], step_h[], step_i[], step_j[], step_k[], step_off[], step_end[], step_leaf[], step_leaf_2[];

static void stepped(int number, siginfo_t *info, void *raw) {
  (void)number;
  greg_t *registers = ((ucontext_t *)raw)->uc_mcontext.gregs;
  if (count < LIMIT) seen[count] = (uint64_t)registers[REG_RIP], r11_seen[count] = (uint64_t)registers[REG_R11];
  wrong += info->si_code != TRAP_TRACE || (uint64_t)info->si_addr != (uint64_t)registers[REG_RIP] || !(registers[REG_EFL] & 0x100) != ((uint64_t)registers[REG_RIP] == (uint64_t)step_end);
  count++;
}

char step_from[16] = "abcdefgh", step_to[16];
__asm__(".text\n.globl stepping\nstepping:\n"
        "lea step_from(%rip), %rsi\n lea step_to(%rip), %rdi\n mov $3, %ecx\n mov $1, %r11d\n"
        "pushfq\n orl $0x100, (%rsp)\n popfq\n"
        "step_start: nop\n"                        // trap at step_a
        "step_a: lea 1(%r11), %r11\n"              // at step_b
        "step_b: jmp step_c\n ud2\n"               // at step_c
        "step_c: rep movsb\n"                      // three traps: at step_c, step_c, step_d
        "step_d: call step_leaf\n"                 // at step_leaf, step_leaf_2, step_e
        "step_e: xor %eax, %eax\n jnz step_start\n"  // step_e + 2, step_f
        "step_f: lea step_h(%rip), %r11\n"         // at step_g
        "step_g: jmp *%r11\n ud2\n"                // at step_h
        "step_h: mov $2, %ecx\n"                   // at step_i
        "step_i: loop step_i\n"                    // at step_i, step_j
        "step_j: pushfq\n"                         // at step_k
        "step_k: andl $~0x100, (%rsp)\n"           // at step_off
        "step_off: popfq\n"                        // TF was set when it began: a last trap at step_end
        "step_end: ret\n"
        "step_leaf: inc %r11\n step_leaf_2: ret\n");

int main(void) {
  struct sigaction action = {.sa_sigaction = stepped, .sa_flags = SA_SIGINFO};
  OK(sigaction(SIGTRAP, &action, NULL));
  const char *expected[] = {step_a, step_b, step_c, step_c, step_c, step_d, step_leaf, step_leaf_2, step_e, step_e + 2, step_f, step_g,
                            step_h, step_i, step_i, step_j, step_k, step_off, step_end};
  int steps = sizeof expected / sizeof expected[0];
  for (int round = 0; round < 20; round++) {
    count = 0;
    memset(step_to, 0, sizeof step_to);
    stepping();
    CHECK(count == steps);
    for (int i = 0; i < steps && i < count; i++)
      if (seen[i] != (uint64_t)expected[i]) printf("FAIL step %d: at %ld, expected %ld from the start\n", i, (long)(seen[i] - (uint64_t)step_start), (long)(expected[i] - step_start)), guest_failures++;
    CHECK(r11_seen[0] == 1 && r11_seen[1] == 2 && r11_seen[7] == 3 && r11_seen[11] == (uint64_t)step_h);
    CHECK(memcmp(step_to, "abc", 4) == 0);
  }
  CHECK(wrong == 0);
  // Without a handler it ends the process.
  pid_t child = OK(fork());
  if (child == 0) {
    signal(SIGTRAP, SIG_DFL);
    stepping();
    _exit(0);
  }
  CHECK(guest_wait(child) == SIGTRAP);
  return guest_done("single_step");
}
