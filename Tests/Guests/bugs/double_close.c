// shows: a descriptor that is closed twice: between the two its number was given to a file of somebody else.
// fails: signal 6
// preemptions: 2
#include <fcntl.h>
#include <unistd.h>

#include "bug.h"

static struct { int fd; } connection;

static void hang_up(void) {
#ifdef FIXED
  int fd = __atomic_exchange_n(&connection.fd, -1, __ATOMIC_SEQ_CST);
  if (fd >= 0) close(fd);
#else
  int fd = READ_ONCE(connection.fd);
  if (fd >= 0) {
    WRITE_ONCE(connection.fd, -1);
    close(fd); // RACE:1
  }
#endif
}

static void *peer_has_gone(void *argument) {
  hang_up();
  return argument;
}

static void *answer_and_log(void *argument) {
  hang_up();
  int log = open("/dev/null", O_WRONLY);
  if (log == -1) give_up("open");
  if (write(log, "done\n", 5) != 5) fail("somebody has closed the log"); // RACE:2
  close(log);
  return argument;
}

int main(void) {
  connection.fd = open("/dev/null", O_RDWR);
  pthread_t first = start(peer_has_gone, NULL), second = start(answer_and_log, NULL);
  finish(first);
  finish(second);
  return connection.fd != -1;
}
