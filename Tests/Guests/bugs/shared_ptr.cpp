// shows: one std::shared_ptr object that a thread copies while another resets it.
// fails: signal 6
// preemptions: 1
#include <memory>
#include <thread>

#include "bug.h"

namespace {
constexpr unsigned open_state = 0x900d;

struct Session {
  volatile unsigned state = open_state;
  ~Session() { state = 0xdead; }
};

// Keeps the memory, so that a use of a closed session is seen.
struct Keep {
  void operator()(Session *session) const { session->~Session(); }
};

alignas(Session) unsigned char storage[sizeof(Session)];
std::shared_ptr<Session> current;

std::shared_ptr<Session> get() {
#ifdef FIXED
  return std::atomic_load(&current);
#else
  return current; // RACE:1
#endif
}

void log_out() {
#ifdef FIXED
  std::atomic_store(&current, std::shared_ptr<Session>());
#else
  current.reset(); // RACE:2
#endif
}
}  // namespace

int main() {
  current = std::shared_ptr<Session>(new (storage) Session, Keep());
  std::thread request([] {
    std::shared_ptr<Session> mine = get();
    if (mine && mine->state != open_state) fail("the session was closed while somebody holds it");
  });
  std::thread logout(log_out);
  request.join();
  logout.join();
}
