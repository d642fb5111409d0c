// What counts as a failure, and which failures are the same: on outcomes made by hand.

import Kernel
import Testing

@testable import Explore

private func outcome(_ verdict: Verdict?, output: String = "", errors: String = "") -> Outcome {
  var outcome = Outcome()
  outcome.verdict = verdict
  outcome.standardOutput = Array(output.utf8)
  outcome.standardError = Array(errors.utf8)
  return outcome
}

private func exited(_ status: Int32, output: String = "", errors: String = "") -> Outcome {
  outcome(.exited(status: status << 8), output: output, errors: errors)
}

private func kind(_ outcome: Outcome, first: Outcome? = nil, _ change: (inout FailurePredicate) -> Void = { _ in }) -> String? {
  var predicate = FailurePredicate()
  change(&predicate)
  return predicate.failure(outcome, first: first)
}

@Suite struct FailureTests {
  @Test func endsByDefault() {
    #expect(kind(exited(0)) == nil)
    #expect(kind(exited(3)) == "exit status 3")
    #expect(kind(outcome(.exited(status: 11))) == "signal 11 (SIGSEGV)")
    // With the bit of a core dump.
    #expect(kind(outcome(.exited(status: 0x86))) == "signal 6 (SIGABRT)")
    #expect(kind(outcome(.deadlock("text"))) == "deadlock")
    #expect(kind(outcome(.timedOut("text"))) == "time-out")
    #expect(kind(outcome(nil)) == "livelock")
    #expect(kind(outcome(.interrupted)) == nil)
    var stuck = outcome(nil)
    stuck.standingCycle = "a cycle"
    #expect(kind(stuck) == "deadlock")
  }

  @Test func oneExitStatus() {
    #expect(kind(exited(3)) { $0.exitStatus = 3 } == "exit status 3")
    #expect(kind(exited(4)) { $0.exitStatus = 3 } == nil)
    #expect(kind(exited(0)) { $0.exitStatus = 0 } == "exit status 0")
    #expect(kind(outcome(.exited(status: 6))) { $0.exitStatus = 3 } == nil)
    #expect(kind(outcome(.deadlock(""))) { $0.exitStatus = 3 } == "deadlock")
  }

  @Test func outputPatterns() throws {
    func found(_ pattern: String, output: String = "", errors: String = "") throws -> Bool {
      let pattern = try #require(try OutputPattern(pattern))
      return kind(exited(0, output: output, errors: errors)) { $0.outputPatterns = [pattern] } != nil
    }
    #expect(try found("FAIL", output: "ok 1\nFAIL 2\n"))
    #expect(try found("FAIL", errors: "FAIL\n"))
    #expect(try !found("FAIL", output: "fail\n"))
    #expect(try found("(?i)fail", output: "Fail\n"))
    // Lines have beginnings and ends; "\r\n" is two characters.
    #expect(try found("^FAIL: \\d+$", output: "ok\nFAIL: 12\nok\n"))
    #expect(try !found("^FAIL", output: "no FAIL\n"))
    #expect(try found("one\\r", output: "one\r\ntwo"))
    #expect(try found("a.*\\n.*b", output: "a1\n2b"))
    // Bytes that are no UTF-8 stand in nobody's way.
    var bytes = exited(0)
    bytes.standardOutput = [0xff, 0xfe] + Array("lost".utf8) + [0x80]
    let lost = try #require(try OutputPattern("lost"))
    #expect(kind(bytes) { $0.outputPatterns = [lost] } == "output that matches /lost/")
    // The second of two; and an exit status says more.
    let other = try #require(try OutputPattern("other"))
    #expect(kind(bytes) { $0.outputPatterns = [other, lost] } == "output that matches /lost/")
    #expect(kind(exited(1, output: "lost")) { $0.outputPatterns = [lost] } == "exit status 1")
    #expect(kind(exited(1, output: "lost")) {
      $0.outputPatterns = [lost]
      $0.exitStatus = 2
    } == "output that matches /lost/")
  }

  @Test(arguments: ["(", "[a", "a{2,1}", "*", "(?<n", "\\"]) func badPatterns(_ text: String) {
    #expect(throws: (any Error).self) { try OutputPattern(text) }
  }

  @Test func anEmptyPatternIsNone() throws { #expect(try OutputPattern("") == nil) }

  @Test func sameAsTheFirst() {
    let first = exited(0, output: "a", errors: "x")
    #expect(kind(exited(0, output: "b"), first: first) == nil)
    #expect(kind(exited(0, output: "b"), first: first) { $0.expectsSameOutput = true } == "other output than the first run's")
    #expect(kind(exited(0, output: "a", errors: "y"), first: first) { $0.expectsSameOutput = true } == nil)
    #expect(
      kind(exited(0, output: "a", errors: "y"), first: first) { $0.expectsSameErrors = true }
        == "other standard error than the first run's")
    // Where exit statuses are no failures as such.
    #expect(kind(exited(2, output: "a"), first: first) {
      $0.expectsSameOutput = true
      $0.exitStatus = 9
    } == "another end than the first run's")
    #expect(kind(first, first: first) {
      $0.expectsSameOutput = true
      $0.expectsSameErrors = true
    } == nil)
  }

  static let reports: [(String, String?)] = [
    ("==2==ERROR: AddressSanitizer: heap-use-after-free on address 0x604000000010 at pc 0x2d601347", "AddressSanitizer: heap-use-after-free"),
    ("==12==ERROR: AddressSanitizer: SEGV on unknown address 0x000000000008 (pc 0x1 bp 0x2 sp 0x3 T1)", "AddressSanitizer: SEGV"),
    ("==1==ERROR: AddressSanitizer: attempting double-free on 0x602000000010 in thread T2:", "AddressSanitizer: attempting double-free"),
    ("==1==ERROR: AddressSanitizer: requested allocation size 0xffff (0x1 after adjustments)", "AddressSanitizer: requested allocation size 0x..."),
    ("==5==ERROR: LeakSanitizer: detected memory leaks", "LeakSanitizer: detected memory leaks"),
    ("WARNING: ThreadSanitizer: data race (pid=2)", "ThreadSanitizer: data race"),
    ("WARNING: ThreadSanitizer: lock-order-inversion (potential deadlock) (pid=2)", "ThreadSanitizer: lock-order-inversion"),
    ("==7==WARNING: MemorySanitizer: use-of-uninitialized-value", "MemorySanitizer: use-of-uninitialized-value"),
    (
      "a.c:6:66: runtime error: signed integer overflow: 2147483647 + 1 cannot be represented in type 'int'",
      "UndefinedBehaviorSanitizer: signed integer overflow"
    ),
    ("src/x.cpp:3:5: runtime error: index 12 out of bounds for type 'int [4]'", "UndefinedBehaviorSanitizer: index N out of bounds for type 'int [N]'"),
    ("x.c:3:5: runtime error: load of misaligned address 0x7ffe12 for type 'int32_t'", "UndefinedBehaviorSanitizer: load of misaligned address 0x... for type 'int32_t'"),
    ("<unknown>: runtime error: division by zero", "UndefinedBehaviorSanitizer: division by zero"),
    ("WARNING: DATA RACE", "Go race detector: data race"),
    // None of them.
    ("panic: runtime error: index out of range [5] with length 3", nil),
    ("job 3: runtime error: lost", nil),
    ("ERROR: the AddressSanitizer is not installed", nil),
    ("==2==WARNING: AddressSanitizer failed to allocate 0x80 bytes", nil),
    ("ThreadSanitizer: reported 1 warnings", nil),
    ("", nil),
  ]

  @Test(arguments: reports) func sanitizerReports(_ line: String, _ headline: String?) {
    #expect(SanitizerReport.headline(in: Array("before\n\(line)\nafter: ERROR".utf8)) == headline)
    #expect(SanitizerReport.headline(in: Array(line.utf8)) == headline)
    // It counts whatever the exit status is, and names a failing one.
    #expect(kind(exited(0, errors: line)) == headline)
    #expect(kind(exited(66, errors: line)) == headline ?? "exit status 66")
    #expect(kind(exited(0, output: line)) == nil)
  }

  @Test func distinctFailures() {
    var all = DistinctFailures()
    let keys = ["a", "b", "a", "a"].map { FailureKey(kind: $0, exited(1)) }
    for (index, key) in keys.enumerated() { all.add(key, number: UInt64(index + 1)) }
    #expect(all.all.map(\.key.kind) == ["a", "b"] && all.all.map(\.count) == [3, 1] && all.all.map(\.first) == [1, 2])
  }

  @Test func obstacles() {
    let loader = "./x: error while loading shared libraries: libfoo.so: cannot open shared object file: No such file or directory\n"
    #expect(Obstacle.find(exited(127, errors: loader), isAlone: true)?.contains("libfoo.so") == true)
    // The words alone do not make it one.
    #expect(Obstacle.find(exited(0, errors: loader), isAlone: true) == nil)
    #expect(Obstacle.find(exited(127, errors: loader), isAlone: false) == nil)
    #expect(Obstacle.find(exited(127, errors: "sh: 1: nothing: not found\n"), isAlone: true) == nil)
    let version = "./x: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.99' not found (required by ./x)\n"
    #expect(Obstacle.find(exited(1, errors: version), isAlone: true)?.contains("GLIBC_2.99") == true)
    let leaks = "==2==LeakSanitizer has encountered a fatal error.\n"
    #expect(Obstacle.find(exited(1, errors: leaks), isAlone: false)?.contains("detect_leaks=0") == true)
    #expect(Obstacle.find(exited(0, errors: leaks), isAlone: false) == nil)
  }
}
