// shows: C++ exceptions thrown through frames and across threads (exception_ptr, future), std::thread and friends.
// build: static -O1 -std=c++17 -pthread -static
// build: dynamic -O2 -std=c++17 -pthread
#include <condition_variable>
#include <cstdio>
#include <future>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static int destroyed;
struct Guard { ~Guard() { destroyed++; } };

static int deep(int depth) {
  Guard guard;
  if (depth == 0) throw std::runtime_error("deep");
  return deep(depth - 1) + 1;
}

int main() {
  int failures = 0;
  try { deep(50); failures++; } catch (const std::exception &error) { std::printf("caught %s, %d destroyed\n", error.what(), destroyed); }
  std::vector<std::thread> threads;
  std::vector<std::exception_ptr> thrown(6);
  for (int i = 0; i < 6; i++)
    threads.emplace_back([&thrown, i] {
      try {
        std::this_thread::yield();
        if (i % 2) throw std::out_of_range("thread " + std::to_string(i));
        throw i;
      } catch (...) { thrown[i] = std::current_exception(); }
    });
  for (auto &thread : threads) thread.join();
  for (auto &error : thrown) {
    try { std::rethrow_exception(error); }
    catch (int value) { std::printf("int %d\n", value); }
    catch (const std::out_of_range &range) { std::printf("range %s\n", range.what()); }
  }
  auto future = std::async(std::launch::async, [] { if (destroyed) throw std::logic_error("from async"); return 1; });
  try { future.get(); failures++; } catch (const std::logic_error &error) { std::printf("%s\n", error.what()); }
  std::mutex lock;
  std::condition_variable changed;
  int stage = 0;
  std::thread other([&] {
    std::unique_lock<std::mutex> hold(lock);
    changed.wait(hold, [&] { return stage == 1; });
    stage = 2;
    changed.notify_all();
  });
  {
    std::unique_lock<std::mutex> hold(lock);
    stage = 1;
    changed.notify_all();
    changed.wait(hold, [&] { return stage == 2; });
    if (changed.wait_for(hold, std::chrono::milliseconds(20), [] { return false; })) failures++;
  }
  other.join();
  std::printf("exceptions: %s\n", failures ? "failed" : "ok");
  return failures;
}
