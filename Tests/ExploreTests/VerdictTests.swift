// What searches say of programs that deadlock, never end, always fail, cannot start, or were refused something.

import CLinux
import Glibc
import Kernel
import Testing

@testable import Explore
@testable import RecordReplay

extension Guest {
  /// Two locks in two orders, each thread with the first before it goes on; `beats`: beside a thread that never stops.
  fileprivate static func deadlock(beats: Bool) -> Guest {
    Guest(
      beats ? "sure-deadlock-beats" : "sure-deadlock",
      """
      static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER, two = PTHREAD_MUTEX_INITIALIZER;
      static pthread_barrier_t both;
      static void *work(void *backward) {
        pthread_mutex_lock(backward ? &two : &one);
        pthread_barrier_wait(&both);
        pthread_mutex_lock(backward ? &one : &two);
        return NULL;
      }
      static void *beat(void *unused) {
        for (;;) usleep(1000);
        return unused;
      }
      int main(void) {
        pthread_t a, b, c;
        pthread_barrier_init(&both, NULL, 2);
        if (\(beats ? 1 : 0)) pthread_create(&c, NULL, beat, NULL);
        pthread_create(&a, NULL, work, NULL);
        pthread_create(&b, NULL, work, (void *)1);
        pthread_join(a, NULL);
        return 0;
      }
      """)
  }

  /// A child waits for a byte that its parent never writes; the parent waits for the child.
  fileprivate static let pipes = Guest(
    "pipe-deadlock",
    """
    int main(void) {
      int ends[2];
      if (pipe(ends)) return 9;
      if (fork() == 0) {
        char c;
        close(ends[1]);
        if (read(ends[0], &c, 1) != 1) _exit(8);
        _exit(0);
      }
      wait(NULL);
      return 0;
    }
    """)

  fileprivate static let always = Guest(
    "always",
    """
    static void *work(void *unused) { return unused; }
    int main(void) {
      pthread_t a;
      pthread_create(&a, NULL, work, NULL);
      pthread_join(a, NULL);
      abort();
    }
    """)

  fileprivate static let never = Guest(
    "never",
    """
    static void *work(void *unused) {
      for (;;) usleep(1000);
      return unused;
    }
    int main(void) {
      pthread_t a;
      pthread_create(&a, NULL, work, NULL);
      pthread_join(a, NULL);
      return 0;
    }
    """)

  /// Fails without preemptions, and passes when the child writes before its parent reads.
  fileprivate static let firstFails = Guest(
    "first-fails",
    """
    int main(void) {
      volatile int *word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
      if (fork() == 0) {
        *word = 1;
        _exit(0);
      }
      for (int i = 0; i < 200; i++) getppid();
      int seen = *word;
      wait(NULL);
      return !seen;
    }
    """)

  /// Lost updates that end in two ways, after whose update was the last.
  fileprivate static let twoBugs = Guest(
    "two-bugs",
    """
    static volatile int counter, last;
    static void *work(void *number) {
      for (int i = 0; i < 3; i++) {
        int seen = counter;
        counter = seen + 1;
      }
      last = (int)(long)number;
      return NULL;
    }
    int main(void) {
      pthread_t a, b;
      pthread_create(&a, NULL, work, (void *)1);
      pthread_create(&b, NULL, work, (void *)2);
      pthread_join(a, NULL);
      pthread_join(b, NULL);
      if (counter == 6) return 0;
      if (last == 1) abort();
      *(volatile int *)8 = 1;
      return 0;
    }
    """)

  fileprivate static let overflow = Guest(
    "overflow", flags: ["-fsanitize=undefined"],
    """
    static volatile int number = 0x7ffffffe;
    static void *work(void *unused) { number = number + 1; return unused; }
    int main(void) {
      pthread_t a;
      pthread_create(&a, NULL, work, NULL);
      number = number + 1;
      pthread_join(a, NULL);
      return 0;
    }
    """)

  fileprivate static let network = Guest(
    "network",
    """
    #include <sys/socket.h>
    static void *work(void *unused) { return unused; }
    int main(void) {
      pthread_t a;
      pthread_create(&a, NULL, work, NULL);
      pthread_join(a, NULL);
      return socket(AF_INET, SOCK_STREAM, 0) < 0 ? 4 : 0;
    }
    """)
}

extension ExploreTests {
  @Suite(.serialized) struct VerdictTests {
    /// With less than the second that a cycle must last, and with more.
    @Test(.timeLimit(.minutes(2)), arguments: [false, true], [0.05, 0.5, 5])
    func deadlockSaysWhoWaits(_ beats: Bool, _ timeout: Double) throws {
      let result = try hunt(.deadlock(beats: beats), timeoutSeconds: timeout) { $0.schedulesMax = 5 }
      let found = try #require(result.first)
      #expect(found.kind == "deadlock" && result.alwaysFailing == "deadlock")
      guard case .deadlock(let text) = found.outcome.verdict else {
        Issue.record("\(String(describing: found.outcome.verdict))")
        return
      }
      #expect(text.contains("pthread mutex") && text.contains("the end of task"))
      let waiters = found.outcome.waiters
      let (a, b) = beats ? (TaskID(4), TaskID(5)) : (TaskID(3), TaskID(4))
      let byTask = { (id: TaskID) in waiters.first { $0.task == id } }
      #expect(byTask(a)?.owner == b && byTask(b)?.owner == a)
      #expect(byTask(a)?.syscall == "futex" && byTask(a)?.futex != byTask(b)?.futex && byTask(a)?.futex != nil)
      let main = try #require(byTask(TaskID(2)))
      #expect(main.isJoin && main.owner == a && main.process == TaskID(2) && !main.hasTimeout)
      if beats { #expect(byTask(TaskID(3))?.syscall == "clock_nanosleep" && byTask(TaskID(3))?.hasTimeout == true) }
      // One without other tasks needs no time.
      if !beats { #expect(found.outcome.virtualNanoseconds < 50_000_000) }
    }

    @Test(.timeLimit(.minutes(1))) func pipesAndChildrenAreNamed() throws {
      let found = try #require(try hunt(.pipes).first)
      #expect(found.kind == "deadlock")
      let waiters = found.outcome.waiters
      #expect(waiters.count == 2)
      #expect(waiters[0].syscall == "wait4" && waiters[0].owner == TaskID(3))
      #expect(waiters[1].syscall == "read" && waiters[1].descriptor == 3 && waiters[1].owner == TaskID(2))
      #expect(waiters[1].what.contains("pipe:[") && waiters[1].what.contains("process 2"))
    }

    @Test(.timeLimit(.minutes(1))) func aTestThatAlwaysFails() throws {
      let result = try hunt(.always)
      #expect(result.alwaysFailing == "signal 6 (SIGABRT)")
      #expect(result.failures == 10 && result.schedulesTried == 10)
      let found = try #require(result.first)
      let signal = try #require(found.outcome.fatalSignals.last)
      #expect(found.number == 1 && signal.signal == 6 && signal.isOfFirstProcess && signal.isOwnDoing)
      #expect(signal.place.object.hasPrefix("libc") && signal.caller?.object == "always")
      #expect(result.distinct.all.count == 1)
      #expect(result.distinct.all.first?.key.place?.contains("always+0x") == true)
    }

    @Test(.timeLimit(.minutes(1))) func aTestThatNeverEnds() throws {
      let result = try hunt(.never, timeoutSeconds: 2)
      #expect(result.alwaysFailing == "time-out" && result.schedulesTried == 3)
      guard case .timedOut(let text) = result.first?.outcome.verdict else {
        Issue.record("\(String(describing: result.first))")
        return
      }
      #expect(text.contains("2000 ms of virtual time") && text.contains("clock_nanosleep"))
    }

    @Test(.timeLimit(.minutes(1))) func aFirstRunThatFailsIsNotAlways() throws {
      let result = try hunt(.firstFails)
      let found = try #require(result.first)
      #expect(found.number == 1 && result.alwaysFailing == nil)
      #expect(result.failures >= 1 && result.failures < result.schedulesTried)
    }

    @Test(.timeLimit(.minutes(2))) func placesTellFailuresApart() throws {
      let result = try hunt(.twoBugs) {
        $0.countsFailures = true
        $0.schedulesMax = 150
      }
      let kinds = result.distinct.all.map(\.key.kind).sorted()
      #expect(kinds == ["signal 11 (SIGSEGV)", "signal 6 (SIGABRT)"])
      #expect(result.distinct.all.map(\.count).reduce(0, +) == result.failures)
      let estimate = try #require(result.estimate)
      #expect(estimate.failed == result.failures && estimate.tried == 150)
    }

    @Test(.timeLimit(.minutes(2))) func aReportOfASanitizerIsAFailure() throws {
      let found = try #require(try hunt(.overflow).first)
      #expect(found.kind == "UndefinedBehaviorSanitizer: signed integer overflow")
      #expect(found.outcome.verdict == .exited(status: 0))
    }

    @Test(.timeLimit(.minutes(1))) func refusedTargetsAreKept() throws {
      let result = try hunt(.network)
      #expect(result.alwaysFailing == "exit status 4")
      #expect(result.first?.outcome.refusedTargets == ["an IPv4 socket"])
    }

    @Test(.timeLimit(.minutes(1))) func oneTaskOneSchedule() throws {
      let result = try hunt(.alone)
      #expect(result.hasOneTask && result.schedulesTried == 1 && result.alwaysFailing == "exit status 3")
    }

    @Test(.timeLimit(.minutes(1))) func programsThatCannotStart() throws {
      let path = try Folder.path
      for (name, content, words) in [
        ("no-interpreter", "#!/no/such/interpreter\n", "/no/such/interpreter"), ("no-program", "text\n", "neither an ELF program"),
      ] {
        let file = try #require(fopen("\(path)/\(name)", "w"))
        fputs(content, file)
        fclose(file)
        chmod("\(path)/\(name)", 0o755)
        let error = #expect(throws: SessionError.self) { try hunt(Guest(name, "")) }
        #expect(error?.description.contains(words) == true, "\(String(describing: error))")
      }
      let linker = Guest("no-linker", flags: ["-Wl,--dynamic-linker=/no/such/ld.so"], "int main(void) { return 0; }")
      let error = #expect(throws: SessionError.self) { try hunt(linker) }
      #expect(error?.description.contains("/no/such/ld.so") == true)
    }
  }
}
