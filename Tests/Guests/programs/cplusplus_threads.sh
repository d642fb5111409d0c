# shows: C++ std::thread programs built on the spot with each optimisation: thread pools, condition variables, shared locks, latches
# run: /bin/sh
# needs: program g++
# timeout: 600
cat > pool.cpp <<'END'
#include <atomic>
#include <barrier>
#include <condition_variable>
#include <functional>
#include <future>
#include <iostream>
#include <latch>
#include <mutex>
#include <queue>
#include <shared_mutex>
#include <thread>
#include <vector>
class Pool {
  std::vector<std::thread> threads; std::queue<std::function<void()>> work; std::mutex mutex; std::condition_variable_any some; bool ending = false;
public:
  explicit Pool(int n) { for (int i = 0; i < n; i++) threads.emplace_back([this] { for (;;) { std::function<void()> job; { std::unique_lock lock(mutex);
    some.wait(lock, [this] { return ending || !work.empty(); }); if (work.empty()) return; job = std::move(work.front()); work.pop(); } job(); } }); }
  template <class F> auto add(F f) { auto task = std::make_shared<std::packaged_task<decltype(f())()>>(f); auto result = task->get_future();
    { std::lock_guard lock(mutex); work.push([task] { (*task)(); }); } some.notify_one(); return result; }
  ~Pool() { { std::lock_guard lock(mutex); ending = true; } some.notify_all(); for (auto &t : threads) t.join(); }
};
int main() {
  long sum = 0;
  { Pool pool(4); std::vector<std::future<long>> results; for (long i = 0; i < 200; i++) results.push_back(pool.add([i] { long s = 0; for (long j = 0; j <= i; j++) s += j; return s; })); for (auto &r : results) sum += r.get(); }
  std::cout << "pool " << sum << '\n';
  std::shared_mutex lock; long value = 0; std::atomic<long> torn{0}; std::latch start(4); std::barrier round(4);
  std::vector<std::jthread> group;
  for (int i = 0; i < 4; i++) group.emplace_back([&, i] { start.arrive_and_wait(); for (int j = 0; j < 50; j++) { if (i == 0) { std::unique_lock own(lock); value++; value++; } else { std::shared_lock own(lock); torn += value & 1; } round.arrive_and_wait(); } });
  group.clear();
  std::cout << "shared " << value << ' ' << torn << '\n';
  std::atomic<int> turn{0}; std::jthread other([&] { for (int i = 0; i < 20; i++) { turn.wait(0); turn = 0; turn.notify_one(); } });
  for (int i = 0; i < 20; i++) { turn = 1; turn.notify_one(); turn.wait(1); }
  thread_local int own = 5; int seen = 0; std::jthread([&] { own++; seen = own; }).join();
  std::cout << "local " << own << ' ' << seen << '\n';
}
END
for level in -O0 -O2 -O3; do g++ -std=c++20 $level -pthread -o pool$level pool.cpp && ./pool$level; done
