// shows: the raw robust list: the kernel marks FUTEX_OWNER_DIED and wakes a waiter at thread exit and at exec.
// build: static -O1 -pthread -static
#include <linux/futex.h>
#include "guest.h"

struct node { struct robust_list link; uint32_t word; };
struct area { struct robust_list_head head; struct node first, second; };

static void hold(struct area *area) {
  area->head.list.next = &area->first.link;
  area->first.link.next = &area->second.link;
  area->second.link.next = &area->head.list;
  area->head.futex_offset = offsetof(struct node, word) - offsetof(struct node, link);
  area->head.list_op_pending = NULL;
  area->first.word = (uint32_t)gettid();
  area->second.word = (uint32_t)gettid() | FUTEX_WAITERS;
  OK(syscall(SYS_set_robust_list, &area->head, sizeof area->head));
}

int main(int argc, char **argv) {
  if (argc > 1) {
    guest_sleep_ms(20);
    return 0;
  }
  for (int round = 0; round < 2; round++) {
    struct area *area = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int ends[2];
    OK(pipe(ends));
    pid_t child = OK(fork());
    if (child == 0) {
      hold(area);
      write(ends[1], "x", 1);
      guest_sleep_ms(20);
      if (round) execl("/proc/self/exe", argv[0], "again", (char *)NULL);
      syscall(SYS_exit, 0);
    }
    char byte;
    OK(read(ends[0], &byte, 1));
    uint32_t value = area->second.word;
    if (!(value & FUTEX_OWNER_DIED)) {
      long result = syscall(SYS_futex, &area->second.word, FUTEX_WAIT, value, NULL, NULL, 0);
      CHECK(result == 0 || errno == EAGAIN);
    }
    CHECK(area->second.word & FUTEX_OWNER_DIED);
    CHECK(guest_wait(child) == 0);
    CHECK(area->first.word & FUTEX_OWNER_DIED);
    CHECK((area->first.word & FUTEX_TID_MASK) == 0);
  }
  struct robust_list_head *got;
  size_t length = 0;
  OK(syscall(SYS_get_robust_list, 0, &got, &length));
  CHECK(length == sizeof *got);
  FAILS(syscall(SYS_set_robust_list, got, 5), EINVAL);
  return guest_done("robust_list");
}
