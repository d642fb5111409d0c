// shows: C++ exceptions through many frames, destructors, rethrow, nested, in threads, out of a library call, with exception_ptr.
// build: static -O2 -pthread -static
// build: dynamic -O0 -pthread
#include <algorithm>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>
#include "guest.h"

static thread_local int alive;
struct Guard {
  Guard() { alive++; }
  ~Guard() { alive--; }
};

struct Trouble : std::runtime_error {
  int depth;
  Trouble(int d) : std::runtime_error("depth " + std::to_string(d)), depth(d) {}
};

static void __attribute__((noinline)) descend(int depth, int total) {
  Guard guard;
  if (depth == 0) throw Trouble(total);
  try {
    descend(depth - 1, total);
  } catch (const std::logic_error &) {
    CHECK(!"another kind");
  }
}

static void all() {
  for (int i = 1; i < 60; i++) {
    try {
      descend(i, i);
      CHECK(!"nothing thrown");
    } catch (const Trouble &trouble) {
      CHECK(trouble.depth == i && trouble.what() == "depth " + std::to_string(i));
    }
    CHECK(alive == 0);
    try {
      try {
        descend(i, i);
      } catch (...) {
        std::throw_with_nested(std::string("outer"));
      }
    } catch (const std::string &text) {
      CHECK(text == "outer");
    }
  }
  std::vector<int> numbers(100);
  try {
    std::sort(numbers.begin(), numbers.end(), [](int a, int b) -> bool { if (a == b) throw a; return a < b; });
  } catch (int) {
  }
  try {
    (void)numbers.at(1000);
    CHECK(!"in range");
  } catch (const std::out_of_range &) {
  }
}

int main() {
  std::exception_ptr kept;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; i++) threads.emplace_back(all);
  threads.emplace_back([&kept] { try { descend(5, 77); } catch (...) { kept = std::current_exception(); } });
  for (auto &thread : threads) thread.join();
  try {
    std::rethrow_exception(kept);
  } catch (const Trouble &trouble) {
    CHECK(trouble.depth == 77);
  }
  return guest_done("exceptions");
}
