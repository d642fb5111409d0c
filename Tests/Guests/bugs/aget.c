// shows: a download is interrupted: the thread that saves the state reads the offset and the total between their updates.
// fails: signal 6
// preemptions: 1
// source: aget 0.4, the count of bytes and the offsets saved on SIGINT; among the bugs of SCTBench (CB) and of Maple (Yu et al., OOPSLA 2012)
#include <signal.h>

#include "bug.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long offset, total_written;
static sigset_t interrupts;

static void *download(void *argument) {
  for (int block = 0; block < 2; block++) {
#ifdef FIXED
    pthread_mutex_lock(&lock);
    offset += 4096;
    total_written += 4096;
    pthread_mutex_unlock(&lock);
#else
    WRITE_ONCE(offset, offset + 4096); // RACE:1
    pthread_mutex_lock(&lock);
    total_written += 4096;
    pthread_mutex_unlock(&lock);
#endif
  }
  return argument;
}

static void *save_state(void *argument) {
  int number;
  sigwait(&interrupts, &number);
  pthread_mutex_lock(&lock);
  if (READ_ONCE(offset) != total_written) fail("the saved state is inconsistent"); // RACE:2
  pthread_mutex_unlock(&lock);
  return argument;
}

int main(void) {
  sigemptyset(&interrupts);
  sigaddset(&interrupts, SIGINT);
  pthread_sigmask(SIG_BLOCK, &interrupts, NULL);
  pthread_t saver = start(save_state, NULL), downloader = start(download, NULL);
  pthread_kill(saver, SIGINT);
  finish(saver);
  finish(downloader);
  return 0;
}
