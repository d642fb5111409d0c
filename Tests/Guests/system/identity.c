// shows: credentials, groups, capabilities, prctl, uname, hostname, personality, session of pids.
// build: static -O1 -static
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include "guest.h"

int main(void) {
  uid_t real, effective, saved;
  gid_t groups[64];
  OK(getresuid(&real, &effective, &saved));
  CHECK(real == getuid() && effective == geteuid());
  CHECK(getgroups(0, NULL) >= 0);
  CHECK(getgroups(64, groups) >= 0);
  OK(setreuid((uid_t)-1, geteuid()));
  OK(setresgid((gid_t)-1, getegid(), (gid_t)-1));
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2];
  OK(syscall(SYS_capget, &header, data));
  OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
  CHECK(prctl(PR_GET_DUMPABLE) == 1);
  char name[16] = {0};
  OK(prctl(PR_SET_NAME, "identity"));
  OK(prctl(PR_GET_NAME, name));
  CHECK(strcmp(name, "identity") == 0);
  FAILS(prctl(123456789, 0, 0, 0, 0), EINVAL);
  pid_t child = OK(fork());
  if (child == 0) {
    if (getuid() == 0) {
      if (setgroups(0, NULL) == -1 && errno == EPERM) _exit(0);  // root without capabilities
      OK(setresgid(1000, 1000, 1000));
      OK(setresuid(1000, 1000, 1000));
    }
    CHECK(getuid() != 0);
    FAILS(setuid(0), EPERM);
    FAILS(setresuid(0, (uid_t)-1, (uid_t)-1), EPERM);
    FAILS(setgroups(0, NULL), EPERM);
    FAILS(kill(1, SIGTERM), EPERM);
    FAILS(open("/etc/shadow", O_RDONLY), EACCES);
    FAILS(chown("/etc/passwd", getuid(), getgid()), EPERM);
    FAILS(open("/root-file", O_CREAT | O_WRONLY, 0600), EACCES);
    _exit(guest_failures);
  }
  CHECK(guest_wait(child) == 0);
  struct utsname system_name;
  OK(uname(&system_name));
  CHECK(strcmp(system_name.sysname, "Linux") == 0 && strcmp(system_name.machine, "x86_64") == 0);
  OK(gethostname(name, sizeof name) == 0 || errno == ENAMETOOLONG ? 0 : -1);
  CHECK(getpid() > 1 && getppid() >= 0 && gettid() == getpid());
  return guest_done("identity");
}
