// shows: SCM_RIGHTS: descriptors travel in a message, share the offset, survive the sender's close, MSG_CTRUNC, SCM_CREDENTIALS.
// build: static -O1 -static
#include "guest.h"

static ssize_t send_fds(int through, const int *fds, int count) {
  char space[CMSG_SPACE(sizeof(int) * 8)] = {0};
  struct iovec data = {"d", 1};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = space, .msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count)};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
  memcpy(CMSG_DATA(header), fds, sizeof(int) * (size_t)count);
  return sendmsg(through, &message, 0);
}
static int receive_fds(int through, int *fds, int room, int *flags) {
  char space[CMSG_SPACE(sizeof(int) * 8)] = {0}, byte;
  struct iovec data = {&byte, 1};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = space, .msg_controllen = room ? CMSG_SPACE(sizeof(int) * (size_t)room) : 0};
  CHECK(recvmsg(through, &message, MSG_CMSG_CLOEXEC) == 1);
  *flags = message.msg_flags;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (!header) return 0;
  CHECK(header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS);
  int count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
  memcpy(fds, CMSG_DATA(header), sizeof(int) * (size_t)count);
  return count;
}

int main(void) {
  int pair[2], ends[2], got[8], flags;
  char text[16] = {0};
  OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  int file = OK(open("passed", O_CREAT | O_RDWR | O_TRUNC, 0600));
  OK(write(file, "contents", 8));
  OK(lseek(file, 3, SEEK_SET));
  OK(pipe(ends));
  pid_t child = OK(fork());
  if (child == 0) {
    close(pair[0]);
    close(file);
    CHECK(receive_fds(pair[1], got, 2, &flags) == 2);
    CHECK(fcntl(got[0], F_GETFD) == FD_CLOEXEC);
    CHECK(read(got[0], text, 2) == 2 && memcmp(text, "te", 2) == 0);
    CHECK(write(got[1], "through", 7) == 7);
    _exit(guest_failures);
  }
  int both[2] = {file, ends[1]};
  OK(send_fds(pair[0], both, 2));
  close(ends[1]);
  CHECK(guest_wait(child) == 0);
  CHECK(lseek(file, 0, SEEK_CUR) == 5);
  CHECK(read(ends[0], text, 16) == 7);
  CHECK(read(ends[0], text, 16) == 0);

  OK(send_fds(pair[0], both, 1));
  CHECK(receive_fds(pair[1], got, 0, &flags) == 0 && (flags & MSG_CTRUNC));
  both[0] = 98;
  FAILS(send_fds(pair[0], both, 1), EBADF);
  both[0] = pair[1];
  OK(send_fds(pair[0], both, 1));  // an end of the pair through itself
  CHECK(receive_fds(pair[1], got, 1, &flags) == 1);
  OK(write(pair[0], "z", 1));
  CHECK(read(got[0], text, 1) == 1 && text[0] == 'z');

  int on = 1;
  OK(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
  OK(write(pair[0], "c", 1));
  char space[CMSG_SPACE(sizeof(struct ucred))], byte;
  struct iovec data = {&byte, 1};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
  CHECK(recvmsg(pair[1], &message, 0) == 1);
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  CHECK(header && header->cmsg_type == SCM_CREDENTIALS);
  if (header) CHECK(((struct ucred *)CMSG_DATA(header))->pid == getpid());
  unlink("passed");
  return guest_done("pass_descriptors");
}
