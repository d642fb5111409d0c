// shows: a threaded C++ program built with the address, undefined and thread sanitizers: a queue, futures, atomics, exceptions, maps.
// build: plain -O1 -pthread
// build: asan -O1 -pthread -fsanitize=address -fno-omit-frame-pointer
// build: ubsan -O1 -pthread -fsanitize=undefined
// build: both -O1 -pthread -fsanitize=address,undefined
// build: tsan -O1 -pthread -fsanitize=thread
// native: fixed-addresses
// engine: translated
// timeout: 180
#include <atomic>
#include <condition_variable>
#include <deque>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>
#include "guest.h"

// LeakSanitizer needs ptrace, which guests are refused.
extern "C" const char *__asan_default_options() { return "detect_leaks=0"; }

class Queue {
public:
  void push(std::unique_ptr<std::string> text) {
    std::lock_guard<std::mutex> lock(mutex);
    items.push_back(std::move(text));
    filled.notify_one();
  }
  std::unique_ptr<std::string> pop() {
    std::unique_lock<std::mutex> lock(mutex);
    filled.wait(lock, [this] { return !items.empty(); });
    auto text = std::move(items.front());
    items.pop_front();
    return text;
  }

private:
  std::mutex mutex;
  std::condition_variable filled;
  std::deque<std::unique_ptr<std::string>> items;
};

int main() {
  Queue queue;
  std::map<int, long> lengths;
  std::mutex mutex;
  std::atomic<long> total{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; i++)
    readers.emplace_back([&, i] {
      while (auto text = queue.pop()) {
        total.fetch_add((long)text->size(), std::memory_order_relaxed);
        std::lock_guard<std::mutex> lock(mutex);
        lengths[i] += (long)text->size();
      }
    });
  for (int i = 0; i < 300; i++) queue.push(std::make_unique<std::string>(i % 50 + 20, 'x'));
  for (int i = 0; i < 3; i++) queue.push(nullptr);
  for (auto &reader : readers) reader.join();
  long sum = 0;
  for (auto &entry : lengths) sum += entry.second;
  CHECK(sum == total && sum == 300 * 20 + 6 * 1225);

  auto squares = std::async(std::launch::async, [] {
    std::vector<int> numbers(1000);
    std::iota(numbers.begin(), numbers.end(), 0);
    return std::accumulate(numbers.begin(), numbers.end(), 0L);
  });
  auto broken = std::async(std::launch::async, []() -> int { throw std::runtime_error("in a thread"); });
  CHECK(squares.get() == 499500);
  try {
    broken.get();
    CHECK(!"nothing thrown");
  } catch (const std::runtime_error &error) {
    CHECK(std::string(error.what()) == "in a thread");
  }
  // Spins, as a sanitizer's own locks do.
  std::atomic<int> turn{0};
  std::thread other([&] { for (int i = 0; i < 50; i++) { while (turn.load() != 1) {} turn.store(0); } });
  for (int i = 0; i < 50; i++) { while (turn.load() != 0) {} turn.store(1); }
  other.join();
  return guest_done("threads");
}
