// shows: what a leaf keeps in the 128 bytes below rsp survives backward branches, and preemption and signals there.
// build: static -O1 -pthread -static
#include "guest.h"

// Stores below rsp over many turns and gives how many words were not as stored.
long leaf(long turns, long seed);
__asm__(".text\n.globl leaf\nleaf:\n xor %eax, %eax\n"
        "1: mov $-128, %rcx\n"
        "2: lea (%rsi,%rcx), %rdx\n mov %rdx, (%rsp,%rcx)\n add $8, %rcx\n jnz 2b\n"
        " mov $-128, %rcx\n"
        "3: lea (%rsi,%rcx), %rdx\n cmp %rdx, (%rsp,%rcx)\n je 4f\n inc %rax\n"
        "4: add $8, %rcx\n jnz 3b\n"
        " add $3, %rsi\n dec %rdi\n jnz 1b\n ret\n");

static volatile sig_atomic_t signals;
static void note(int number) {
  (void)number;
  volatile char room[256];
  memset((void *)room, 0xaa, sizeof room);
  signals++;
}

static void *body(void *argument) {
  CHECK(leaf(20000, (long)argument * 1000) == 0);
  return NULL;
}

int main(void) {
  struct sigaction action = {.sa_handler = note};
  OK(sigaction(SIGALRM, &action, NULL));
  struct itimerval many = {{0, 300}, {0, 300}}, off = {{0, 0}, {0, 0}};
  OK(setitimer(ITIMER_REAL, &many, NULL));
  pthread_t threads[4];
  for (long i = 0; i < 4; i++) ZERO(pthread_create(&threads[i], NULL, body, (void *)i));
  for (int i = 0; i < 4; i++) ZERO(pthread_join(threads[i], NULL));
  for (int i = 0; i < 2000 && signals < 5; i++) CHECK(leaf(2000, i) == 0);
  OK(setitimer(ITIMER_REAL, &off, NULL));
  return guest_done("red_zone");
}
