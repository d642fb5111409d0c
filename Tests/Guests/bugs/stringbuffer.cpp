// shows: append(other) asks for other's length, then copies that many characters: both are locked, but not together.
// fails: signal 6
// preemptions: 1
// source: java.lang.StringBuffer.append of JDK 1.4 (Flanagan and Qadeer, PLDI 2003), in SCTBench as CB.stringbuffer-jdk1.4
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>

#include "bug.h"

namespace {
class StringBuffer {
 public:
  explicit StringBuffer(const char *text) : text_(text) {}

  std::size_t length() {
    std::lock_guard<std::recursive_mutex> guard(lock_);
    return text_.size();
  }

  void copy(std::size_t count, std::string &target) {
    std::lock_guard<std::recursive_mutex> guard(lock_);
    if (count > text_.size()) throw std::out_of_range("index out of bounds"); // RACE:2
    target.append(text_, 0, count);
  }

  void clear() {
    std::lock_guard<std::recursive_mutex> guard(lock_);
    text_.clear();
  }

  void append(StringBuffer &other) {
    std::lock_guard<std::recursive_mutex> guard(lock_);
#ifdef FIXED
    std::lock_guard<std::recursive_mutex> both(other.lock_);
#endif
    std::size_t count = other.length(); // RACE:1
    other.copy(count, text_);
  }

 private:
  std::recursive_mutex lock_;
  std::string text_;
};

StringBuffer all("all: "), line("a line");
}  // namespace

int main() {
  std::thread appender([] {
    try {
      all.append(line);
    } catch (const std::out_of_range &error) {
      fail(error.what());
    }
  });
  std::thread clearer([] { line.clear(); });
  appender.join();
  clearer.join();
}
