// SIGINT, SIGTERM and SIGHUP for a tool that works by itself for long: the first asks it to end, another one ends it.

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "CLinux.h"

static const int endings[] = {SIGINT, SIGTERM, SIGHUP};
enum { endings_count = sizeof endings / sizeof endings[0] };
static _Atomic int first_ending, stops_machines;
static _Atomic int64_t first_ending_ns;
static struct sigaction found_endings[endings_count];

// timeout(1) sends its signal twice, to its child and to the group. A user who means it is slower.
static const int64_t apart_ns = 300000000;

// Async-signal-safe: atomics and system calls. Each thread may be in one at the same time.
static void on_ending(int signal) {
  int none = 0;
  int64_t now = rsb_clock_ns(CLOCK_MONOTONIC);
  if (atomic_compare_exchange_strong(&first_ending, &none, signal)) {
    atomic_store(&first_ending_ns, now);
    if (atomic_load(&stops_machines)) rsb_interrupt_request();
    // Taken back meanwhile.
    if (!atomic_load(&stops_machines)) rsb_interrupt_clear();
  } else if (now - atomic_load(&first_ending_ns) > apart_ns) {
    rsb_host_die_by(signal);
  }
}

void rsb_endings_catch(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_ending;
  action.sa_flags = SA_RESTART;
  sigfillset(&action.sa_mask);
  for (int i = 0; i < endings_count; i++) {
    sigaction(endings[i], NULL, &found_endings[i]);
    // nohup and shells without job control mean it when they ignore a signal.
    if (found_endings[i].sa_handler != SIG_IGN) sigaction(endings[i], &action, NULL);
  }
}

void rsb_endings_release(void) {
  for (int i = 0; i < endings_count; i++) sigaction(endings[i], &found_endings[i], NULL);
}

int rsb_endings_first(void) { return atomic_load(&first_ending); }

void rsb_endings_stop_machines(int stop) {
  atomic_store(&stops_machines, stop);
  if (!stop)
    rsb_interrupt_clear();
  else if (atomic_load(&first_ending))
    rsb_interrupt_request();
}
