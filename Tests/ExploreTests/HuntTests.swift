// The search over programs with known bugs: found, shrunk, recorded, and the recording replays the failure.

import CLinux
import Glibc
import Kernel
import PtracePlatform
import Testing
import Trace

@testable import Explore
@testable import RecordReplay

extension Guest {
  /// A counter that two threads add to by a load and a store; with a lock, when it is the twin.
  fileprivate static func counter(isFixed: Bool) -> Guest {
    Guest(
      isFixed ? "counter-fixed" : "counter",
      """
      static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
      static volatile int counter;
      static void *work(void *unused) {
        for (int i = 0; i < 3; i++) {
          if (\(isFixed ? 1 : 0)) pthread_mutex_lock(&lock);
          int before = counter;
          counter = before + 1;
          if (\(isFixed ? 1 : 0)) pthread_mutex_unlock(&lock);
        }
        return unused;
      }
      int main(void) {
        pthread_t a, b;
        pthread_create(&a, NULL, work, NULL);
        pthread_create(&b, NULL, work, NULL);
        pthread_join(a, NULL);
        pthread_join(b, NULL);
        // Random bytes behind the held state: the recording must draw the same.
        unsigned random;
        FILE *source = fopen("/dev/urandom", "r");
        if (fread(&random, sizeof random, 1, source) == 1) printf("%u\\n", random);
        return counter == 6 ? 0 : 1;
      }
      """)
  }

  /// Two locks in two orders.
  fileprivate static let lockOrder = Guest(
    "lock-order",
    """
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER, two = PTHREAD_MUTEX_INITIALIZER;
    static void *work(void *backward) {
      pthread_mutex_lock(backward ? &two : &one);
      pthread_mutex_lock(backward ? &one : &two);
      pthread_mutex_unlock(&one);
      pthread_mutex_unlock(&two);
      return NULL;
    }
    int main(void) {
      pthread_t a, b;
      pthread_create(&a, NULL, work, NULL);
      pthread_create(&b, NULL, work, (void *)1);
      pthread_join(a, NULL);
      pthread_join(b, NULL);
      return 0;
    }
    """)

  /// A signal between the test of a flag and the wait for it, from a child.
  fileprivate static let lostSignal = Guest(
    "lost-signal",
    """
    static volatile sig_atomic_t ready;
    static void note(int number) { (void)number; ready = 1; }
    int main(void) {
      struct sigaction action = {.sa_handler = note};
      sigaction(SIGUSR1, &action, NULL);
      if (fork() == 0) { kill(getppid(), SIGUSR1); _exit(0); }
      while (!ready) pause();
      while (wait(NULL) > 0) {}
      return 0;
    }
    """)

  /// A ticket counter in memory that two processes share.
  fileprivate static let tickets = Guest(
    "tickets",
    """
    int main(void) {
      volatile int *next = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
      int child = fork();
      int ticket = *next;
      *next = ticket + 1;
      if (child == 0) _exit(0);
      while (wait(NULL) > 0) {}
      return *next == 2 ? 0 : 1;
    }
    """)
}

/// A search on a thread of its own.
func hunt(
  _ guest: Guest, timeoutSeconds: Double? = nil, _ change: (inout HuntOptions) -> Void = { _ in }
) throws -> HuntResult {
  var runOptions = try options(guest)
  if let timeoutSeconds { runOptions.timeoutSeconds = timeoutSeconds }
  var search = HuntOptions()
  change(&search)
  nonisolated(unsafe) var result: Result<HuntResult, SessionError> = .failure(SessionError("nothing happened"))
  onTracerThread {
    do throws(SessionError) {
      result = .success(try HuntSession.run(runOptions, search) { _ in true })
    } catch { result = .failure(error) }
  }
  return try result.get()
}

extension ExploreTests {
  @Suite(.serialized) struct HuntTests {
    @Test(.timeLimit(.minutes(2)), arguments: [Guest.counter(isFixed: false), .lockOrder, .lostSignal, .tickets].map(\.name))
    func findsAndRecords(_ name: String) throws {
      let guest = [Guest.counter(isFixed: false), .lockOrder, .lostSignal, .tickets].first { $0.name == name }!
      let children = countChildren()
      let found = try #require(try hunt(guest).first, "\(name) was not found")
      #expect(found.number <= 300)
      #expect(found.schedule.preemptions >= 1)
      // From exec, by another machine without scheduling points, and back from the trace.
      let options = try options(guest)
      let path = try Folder.path + "-\(name).zst"
      nonisolated(unsafe) var recorded = false
      nonisolated(unsafe) var replayed: TraceEnd?
      nonisolated(unsafe) var failure: SessionError?
      let output = KeptOutput()
      onTracerThread {
        do throws(SessionError) {
          recorded = try HuntSession.record(found, options, to: path)
          replayed = try ReplaySession.replay(ReplayOptions(path: path), outputs: .keep(output)).end
        } catch { failure = error }
      }
      unlink(path)
      #expect(failure == nil)
      #expect(recorded, "the recording of \(found.schedule) does not fail")
      #expect(replayed != nil && (replayed!.status != 0 || !replayed!.verdict.isEmpty))
      #expect(output.standardOutput == found.outcome.standardOutput)
      #expect(countChildren() == children)
    }

    @Test(.timeLimit(.minutes(2))) func sameSeedSameSearch() throws {
      let results = try (0..<2).map { _ in
        try hunt(.counter(isFixed: false)) {
          $0.schedulesMax = 60
          $0.countsFailures = true
          $0.seed = 5
        }
      }
      #expect(results[0].failures == results[1].failures && results[0].failures > 0)
      #expect(results[0].first?.schedule == results[1].first?.schedule)
      #expect(results[0].schedulingPoints == results[1].schedulingPoints)
    }

    @Test(.timeLimit(.minutes(2)), arguments: [Strategy.walk, .pct, .hold, .feedback, .mix])
    func twinPasses(_ strategy: Strategy) throws {
      let result = try hunt(.counter(isFixed: true)) {
        $0.schedulesMax = 40
        $0.strategy = strategy
      }
      #expect(result.schedulesTried == 40)
      #expect(result.failures == 0)
    }
  }
}
