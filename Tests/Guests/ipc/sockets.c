// shows: Unix sockets: pairs, streams by path, datagrams and seqpackets, shutdown, EPIPE, peer credentials, abstract names, options.
// build: static -O1 -pthread -static
#include <sys/ioctl.h>
#include "guest.h"

static struct sockaddr_un address(const char *path) {
  struct sockaddr_un result = {.sun_family = AF_UNIX};
  strncpy(result.sun_path, path, sizeof result.sun_path - 1);
  return result;
}
static void *client(void *argument) {
  struct sockaddr_un to = address("socket-path");
  int fd = OK(socket(AF_UNIX, SOCK_STREAM, 0));
  OK(connect(fd, (struct sockaddr *)&to, sizeof to));
  char text[32];
  snprintf(text, sizeof text, "client %ld", (long)argument);
  OK(send(fd, text, strlen(text), 0));
  OK(shutdown(fd, SHUT_WR));
  CHECK(recv(fd, text, sizeof text, 0) == 2);
  CHECK(recv(fd, text, sizeof text, 0) == 0);
  close(fd);
  return NULL;
}

int main(void) {
  int pair[2];
  char text[64];
  signal(SIGPIPE, SIG_IGN);
  OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
  CHECK(write(pair[0], "abc", 3) == 3 && write(pair[0], "def", 3) == 3);
  CHECK(recv(pair[1], text, 2, MSG_PEEK) == 2 && text[0] == 'a');
  CHECK(read(pair[1], text, sizeof text) == 6);
  CHECK(write(pair[1], "back", 4) == 4 && read(pair[0], text, sizeof text) == 4);
  FAILS(recv(pair[0], text, 1, MSG_DONTWAIT), EAGAIN);
  struct ucred peer;
  socklen_t length = sizeof peer;
  OK(getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &peer, &length));
  CHECK(peer.pid == getpid() && peer.uid == getuid());
  int type = 0;
  length = sizeof type;
  OK(getsockopt(pair[0], SOL_SOCKET, SO_TYPE, &type, &length));
  CHECK(type == SOCK_STREAM);
  OK(shutdown(pair[0], SHUT_WR));
  CHECK(read(pair[1], text, 1) == 0);
  FAILS(write(pair[0], "x", 1), EPIPE);
  close(pair[1]);
  CHECK(read(pair[0], text, 1) == 0);
  close(pair[0]);

  OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
  OK(send(pair[0], "one", 3, 0));
  OK(send(pair[0], "second", 6, 0));
  CHECK(recv(pair[1], text, 2, MSG_TRUNC) == 3);
  CHECK(recv(pair[1], text, sizeof text, 0) == 6);
  close(pair[0]);
  close(pair[1]);
  OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
  OK(send(pair[0], "packet", 6, 0));
  OK(send(pair[0], "p", 1, 0));
  CHECK(recv(pair[1], text, sizeof text, 0) == 6 && recv(pair[1], text, sizeof text, 0) == 1);
  close(pair[0]);
  CHECK(recv(pair[1], text, sizeof text, 0) == 0);

  struct sockaddr_un at = address("socket-path"), from;
  int server = OK(socket(AF_UNIX, SOCK_STREAM, 0));
  OK(bind(server, (struct sockaddr *)&at, sizeof at));
  int again = OK(socket(AF_UNIX, SOCK_STREAM, 0));
  FAILS(bind(again, (struct sockaddr *)&at, sizeof at), EADDRINUSE);
  FAILS(connect(again, (struct sockaddr *)&at, sizeof at), ECONNREFUSED);
  OK(listen(server, 5));
  pthread_t threads[3];
  for (long i = 0; i < 3; i++) ZERO(pthread_create(&threads[i], NULL, client, (void *)i));
  int sum = 0;
  for (int i = 0; i < 3; i++) {
    length = sizeof from;
    int fd = OK(accept4(server, (struct sockaddr *)&from, &length, SOCK_CLOEXEC));
    ssize_t got = 0, part;
    while ((part = recv(fd, text + got, sizeof text - (size_t)got, 0)) > 0) got += part;
    CHECK(got == 8 && memcmp(text, "client ", 7) == 0);
    sum += text[7] - '0';
    OK(send(fd, "ok", 2, 0));
    close(fd);
  }
  for (int i = 0; i < 3; i++) ZERO(pthread_join(threads[i], NULL));
  printf("clients %d\n", sum);
  struct stat status;
  OK(stat("socket-path", &status));
  CHECK(S_ISSOCK(status.st_mode));
  unlink("socket-path");
  at = address("missing-socket");
  FAILS(connect(again, (struct sockaddr *)&at, sizeof at), ENOENT);

  struct sockaddr_un hidden = {.sun_family = AF_UNIX, .sun_path = "\0replaysb-guest-abstract"};
  socklen_t hidden_length = offsetof(struct sockaddr_un, sun_path) + 24;
  int abstract = OK(socket(AF_UNIX, SOCK_STREAM, 0));
  OK(bind(abstract, (struct sockaddr *)&hidden, hidden_length));
  OK(listen(abstract, 1));
  int joined = OK(socket(AF_UNIX, SOCK_STREAM, 0));
  OK(connect(joined, (struct sockaddr *)&hidden, hidden_length));
  int accepted = OK(accept(abstract, NULL, NULL));
  OK(write(accepted, "hi", 2));
  int waiting = 0;
  OK(ioctl(joined, FIONREAD, &waiting));
  CHECK(waiting == 2);
  return guest_done("sockets");
}
