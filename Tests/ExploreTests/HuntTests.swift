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

extension Guest {
  /// Two threads that do the same work, each with an argument of its own, and what the program returns in the end.
  private static func pair(_ name: String, _ work: String, arguments: (String, String) = ("0", "0"), returns: String) -> Guest {
    Guest(
      name,
      work + """

        int main(void) {
          pthread_t a, b;
          pthread_create(&a, NULL, work, (void *)\(arguments.0));
          pthread_create(&b, NULL, work, (void *)\(arguments.1));
          pthread_join(a, NULL);
          pthread_join(b, NULL);
          return \(returns);
        }
        """)
  }

  /// Two threads that compute, one of them much longer, and add to a counter at the end: whoever is held there waits for a task
  /// that makes no system call for long.
  fileprivate static let computing = pair(
    "computing",
    """
    static volatile int done;
    static volatile unsigned results[2];
    static void *work(void *argument) {
      unsigned rounds = (unsigned)(long)argument, sum = rounds;
      for (unsigned i = 0; i < rounds; i++) sum = sum * 1664525u + 1013904223u;
      results[rounds > 1000] = sum;
      int before = done;
      done = before + 1;
      return NULL;
    }
    """, arguments: ("10", "400000"), returns: "done == 2 ? 0 : 1")

  /// A thread that sleeps until another one is sure to have stored something.
  fileprivate static let lateStart = Guest(
    "late-start",
    """
    static int *volatile data;
    static void *work(void *unused) {
      int *made = malloc(sizeof *made);
      *made = 7;
      data = made;
      return unused;
    }
    int main(void) {
      pthread_t a;
      pthread_create(&a, NULL, work, NULL);
      usleep(10000);
      int failed = data == NULL;
      pthread_join(a, NULL);
      return failed;
    }
    """)

  /// The main thread is alone and busy while another one sleeps: nobody else could have the turn, but for the time.
  fileprivate static let lateMain = Guest(
    "late-main",
    """
    static int *volatile data;
    static void *work(void *unused) {
      usleep(10000);
      return (void *)(long)(data == NULL);
    }
    int main(void) {
      pthread_t a;
      pthread_create(&a, NULL, work, NULL);
      int *made = malloc(sizeof *made);
      *made = 7;
      data = made;
      void *failed;
      pthread_join(a, &failed);
      return failed != NULL;
    }
    """)

  /// An addition to memory in one instruction without a lock prefix.
  fileprivate static let oneInstruction = pair(
    "one-instruction",
    """
    static int counter;
    static void *work(void *unused) {
      __asm__ volatile("addl $1, %0" : "+m"(counter) : : "cc");
      return unused;
    }
    """, returns: "counter == 2 ? 0 : 1")

  /// Ends only if both go on: each waits for the other by spinning.
  fileprivate static let spinning = pair(
    "spinning",
    """
    static volatile int turn;
    static void *work(void *own) {
      for (int i = 0; i < 5; i++) {
        while (turn != (int)(long)own) {}
        turn = !turn;
      }
      return NULL;
    }
    """, arguments: ("0", "1"), returns: "0")

  fileprivate static let found = [
    counter(isFixed: false), lockOrder, lostSignal, tickets, computing, lateStart, lateMain, oneInstruction,
  ]
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
    @Test(.timeLimit(.minutes(2)), arguments: Guest.found.map(\.name))
    func findsAndRecords(_ name: String) throws {
      let guest = Guest.found.first { $0.name == name }!
      let children = countChildren()
      let found = try #require(try hunt(guest).first, "\(name) was not found")
      #expect(found.number <= 300)
      #expect(!found.schedule.deviations.isEmpty)
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

    /// What makes each fail is what it is about, and the fewest preemptions are found.
    @Test(.timeLimit(.minutes(2))) func choicesBesideWhoIsNext() throws {
      let late = try #require(try hunt(.lateStart).first)
      #expect(late.schedule.switches.contains { $0.kind == .delay })
      #expect(late.schedule.preemptions == 0)
      let lateMain = try #require(try hunt(.lateMain).first)
      #expect(lateMain.schedule.switches.contains { $0.kind == .delay })
      #expect(lateMain.schedule.preemptions == 1)
      let split = try #require(try hunt(.oneInstruction).first)
      #expect(split.schedule.switches.contains { $0.kind == .preemption && $0.place.isInside })
      #expect(split.schedule.preemptions == 1)
      let computed = try #require(try hunt(.computing).first)
      #expect(computed.schedule.switches.contains { $0.isStay })
      #expect(computed.schedule.preemptions == 1)
    }

    @Test(.timeLimit(.minutes(2))) func spinsEnd() throws {
      let result = try hunt(.spinning) { $0.schedulesMax = 80 }
      #expect(result.schedulesTried == 80)
      #expect(result.failures == 0)
    }

    @Test(.timeLimit(.minutes(2)), arguments: [Guest.counter(isFixed: false), .lateStart, .oneInstruction, .computing].map(\.name))
    func sameSeedSameSearch(_ name: String) throws {
      let guest = Guest.found.first { $0.name == name }!
      let results = try (0..<2).map { _ in
        try hunt(guest) {
          $0.schedulesMax = 100
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
