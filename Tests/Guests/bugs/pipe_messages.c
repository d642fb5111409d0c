// shows: two threads send messages through one pipe, header and body in a call each: the reader gets a header for another body.
// fails: signal 6
// preemptions: 1
#include <sys/uio.h>
#include <unistd.h>

#include "bug.h"

static int ends[2];

static void *send_message(void *argument) {
  char *body = argument;
  unsigned char length = strlen(body);
#ifdef FIXED
  struct iovec parts[] = {{&length, 1}, {body, length}};
  if (writev(ends[1], parts, 2) != 1 + length) give_up("writev");
#else
  if (write(ends[1], &length, 1) != 1) give_up("write");         // RACE:1
  if (write(ends[1], body, length) != length) give_up("write"); // RACE:2
#endif
  return NULL;
}

static void read_fully(char *target, size_t wanted) {
  for (size_t got = 0; got < wanted;) {
    ssize_t count = read(ends[0], target + got, wanted - got);
    if (count <= 0) fail("the pipe ends within a message");
    got += count;
  }
}

int main(void) {
  if (pipe(ends) != 0) give_up("pipe");
  pthread_t other = start(send_message, "get");
  send_message("subscribe");
  finish(other);
  close(ends[1]);
  for (int i = 0; i < 2; i++) {
    char length, body[256] = "";
    read_fully(&length, 1);
    read_fully(body, (unsigned char)length);
    if (strcmp(body, "get") != 0 && strcmp(body, "subscribe") != 0) fail("a message is made of two");
  }
  return 0;
}
