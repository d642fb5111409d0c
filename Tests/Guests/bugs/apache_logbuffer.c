// shows: two requests write into the buffer of the access log at the same index.
// fails: signal 6
// preemptions: 1
// source: Apache httpd bug 25520, ap_buffered_log_writer in mod_log_config.c (studied by Lu et al., ASPLOS 2008)
#include "bug.h"

static struct { pthread_mutex_t lock; size_t used; char text[256]; } buffer = {PTHREAD_MUTEX_INITIALIZER, 0, ""};

static void write_log(const char *line) {
  size_t length = strlen(line);
#ifdef FIXED
  pthread_mutex_lock(&buffer.lock);
#endif
  size_t at = READ_ONCE(buffer.used); // RACE:1
  memcpy(buffer.text + at, line, length);
  WRITE_ONCE(buffer.used, at + length); // RACE:2
#ifdef FIXED
  pthread_mutex_unlock(&buffer.lock);
#endif
}

static void *request(void *argument) {
  write_log(argument);
  return NULL;
}

int main(void) {
  write_log("# log opened\n");
  size_t opened = buffer.used;
  static char index[] = "GET /index.html 200\n", icon[] = "GET /favicon.ico 404\n";
  pthread_t first = start(request, index), second = start(request, icon);
  finish(first);
  finish(second);
  size_t expected = opened + strlen(index) + strlen(icon);
  if (buffer.used != expected || strstr(buffer.text, index) == NULL || strstr(buffer.text, icon) == NULL)
    fail("the log has lost or mixed lines");
  return 0;
}
