// shows: host sockets cannot be reached: Unix sockets by path and abstract name, TCP and UDP to the host, raw packets.
// build: static -O1 -static
// native: skip
// host-socket: host.socket
#include <arpa/inet.h>
#include <netinet/in.h>
#include "guest.h"

int main(void) {
  struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "host.socket"};
  int fd = OK(socket(AF_UNIX, SOCK_STREAM, 0));
  CHECK(connect(fd, (struct sockaddr *)&path, sizeof path) == -1);
  struct sockaddr_un hidden = {.sun_family = AF_UNIX, .sun_path = "\0replaysb-host-socket"};
  CHECK(connect(fd, (struct sockaddr *)&hidden, offsetof(struct sockaddr_un, sun_path) + 21) == -1);
  for (int port = 1; port < 70; port++) {
    int tcp = socket(AF_INET, SOCK_STREAM, 0);
    if (tcp < 0) break;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)(port == 1 ? 22 : port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK(connect(tcp, (struct sockaddr *)&to, sizeof to) == -1);
    close(tcp);
  }
  CHECK(socket(AF_PACKET, SOCK_RAW, 0) == -1);
  CHECK(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) == -1);
  int bus = OK(socket(AF_UNIX, SOCK_STREAM, 0));
  strcpy(path.sun_path, "/run/dbus/system_bus_socket");
  CHECK(connect(bus, (struct sockaddr *)&path, sizeof path) == -1);
  return guest_done("host_sockets");
}
