// shows: a std::vector that grows while another thread goes through it: its elements lie in memory that was given back.
// fails: signal 6
// also: signal 11, livelock
// preemptions: 1
#include <mutex>
#include <thread>
#include <vector>

#include "bug.h"

namespace {
// Gives memory back by poisoning it, so that old iterators are seen.
template <class T> struct Poisoning {
  using value_type = T;
  Poisoning() = default;
  T *allocate(std::size_t count) { return static_cast<T *>(std::malloc(count * sizeof(T))); }
  void deallocate(T *memory, std::size_t count) { poison(memory, count * sizeof(T)); }
  bool operator==(const Poisoning &) const { return true; }
  bool operator!=(const Poisoning &) const { return false; }
};

std::vector<int, Poisoning<int>> prices = {3, 5, 8, 13};
std::mutex lock;

int total() {
#ifdef FIXED
  std::lock_guard<std::mutex> guard(lock);
#endif
  int sum = 0;
  for (const int &price : prices) sum += READ_ONCE(price); // RACE:1
  return sum;
}

void add(int price) {
  std::lock_guard<std::mutex> guard(lock);
  prices.push_back(price); // RACE:2
}
}  // namespace

int main() {
  std::thread reader([] {
    int sum = total();
    if (sum != 29 && sum != 50) fail("the sum has prices from an array that was given back");
  });
  std::thread writer([] { add(21); });
  reader.join();
  writer.join();
}
