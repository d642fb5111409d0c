// A flaky program: a small bank whose transfers look at a balance, log to a file, and only then book what they saw. It fails in
// some schedules only: when another thread runs between the look and the booking, money is lost or made.
//
//     replaysb record --until-fail -n 200 ./flaky     finds a schedule that fails and keeps it
//     replaysb replay                                 runs exactly that execution again, as often as you like
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { accounts = 8, workers = 2, transfers = 4, opening_balance = 100 };
static int balance[accounts];
static int log_fd;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

static void note(int from, int to, int amount) {
  char line[64];
  int length = snprintf(line, sizeof line, "%d from %d to %d\n", amount, from, to);
  pthread_mutex_lock(&log_lock);  // the log is guarded, the accounts are not
  if (write(log_fd, line, (size_t)length) != length) abort();
  pthread_mutex_unlock(&log_lock);
}

static void *transfer(void *argument) {
  unsigned state = (unsigned)(long)argument * 104729u + 1u;
  for (int i = 0; i < transfers; i++) {
    state = state * 1103515245u + 12345u;
    int from = (int)(state >> 16) % accounts, to = (from + 1) % accounts;
    int seen = balance[from];
    if (i == transfers / 2) note(from, to, 10);
    balance[from] = seen - 10;
    balance[to] += 10;
  }
  return NULL;
}

int main(void) {
  pthread_t threads[workers];
  char path[] = "/tmp/flaky-log-XXXXXX";
  log_fd = mkstemp(path);
  unlink(path);
  for (int i = 0; i < accounts; i++) balance[i] = opening_balance;
  for (long i = 0; i < workers; i++) pthread_create(&threads[i], NULL, transfer, (void *)i);
  for (int i = 0; i < workers; i++) pthread_join(threads[i], NULL);
  int sum = 0;
  for (int i = 0; i < accounts; i++) sum += balance[i];
  if (sum == accounts * opening_balance) {
    printf("the books balance\n");
    return 0;
  }
  printf("the books are off by %d\n", sum - accounts * opening_balance);
  return 1;
}
