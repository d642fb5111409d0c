// Executions from a held state against executions from exec: the same decisions, the same everything.

import CLinux
import Glibc
import Kernel
import LinuxABI
import Platform
import PtracePlatform
import Testing

@testable import Explore
@testable import RecordReplay

/// What must not differ between two executions.
struct Trail: Equatable {
  var verdict: Verdict?
  var output: String
  var errors: String
  var counts: [UInt64]
  var time: Int64
  var fingerprint: Fingerprint

  init(_ outcome: Outcome) {
    verdict = outcome.verdict
    output = String(decoding: outcome.standardOutput, as: UTF8.self)
    errors = String(decoding: outcome.standardError, as: UTF8.self)
    counts = [outcome.traps, outcome.syscalls, outcome.switches]
    time = outcome.virtualNanoseconds
    fingerprint = outcome.fingerprint
  }
}

func decisions(_ seed: UInt64, _ policy: SchedulePolicy = .random) -> SeededDecisions {
  SeededDecisions(seed: seed, policy: policy, epoch: Nanoseconds(1_700_000_000_000_000_000))
}

func options(_ guest: Guest, engine: Engine = .translated) throws -> RunOptions {
  var options = RunOptions()
  let path = try guest.build()
  options.program = Array(path.utf8)
  options.arguments = [options.program]
  options.environment = [Array("PATH=/usr/bin:/bin".utf8)]
  options.workingDirectory = Array(try Folder.path.utf8)
  options.engine = engine
  options.epochNanoseconds = 1_700_000_000_000_000_000
  options.timeoutSeconds = 100
  return options
}

/// What a test on a tracing thread found: there the testing library cannot be told, since it reads a clock.
final class Findings {
  private(set) var all: [String] = []
  func check(_ condition: Bool, _ text: @autoclosure () -> String, line: Int = #line) {
    if !condition { all.append("line \(line): \(text())") }
  }
}

/// A program on a machine and a thread of its own. What the body throws is thrown.
func withProgram(
  _ guest: Guest, engine: Engine = .translated, input: CapturedInput? = nil,
  _ body: (Program, Findings) throws -> Void
) throws {
  let options = try options(guest, engine: engine)
  // The testing library's main thread waits with signals blocked: every stop of a stub would wake it.
  var action = sigaction()
  action.sa_flags = SA_NOCLDSTOP
  sigaction(SIGCHLD, &action, nil)
  let before = countChildren()
  var failure: (any Error)?
  let findings = Findings()
  onTracerThread {
    do {
      let machine = try options.makeMachine()
      defer { machine.shutdown() }
      let program = Program(
        options, machine: machine, host: PosixHostView(hidden: HiddenPaths()), input: input)
      defer {
        program.end()
        let left = program.machineCounts
        findings.check(left == (0, 0, 0), "\(left) spaces, contexts and objects are left")
      }
      try body(program, findings)
    } catch { failure = error }
  }
  if let failure { throw failure }
  #expect(findings.all == [])
  #expect(countChildren() == before, "a process is left behind")
}

/// Processes whose parent we are.
func countChildren() -> Int {
  var count = 0
  guard let folder = opendir("/proc/self/task") else { return 0 }
  defer { closedir(folder) }
  while let entry = readdir(folder) {
    let name = withUnsafePointer(to: &entry.pointee.d_name) {
      $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
    }
    count += lines("/proc/self/task/\(name)/children").joined(separator: " ").split(separator: " ").count
  }
  return count
}

func lines(_ path: String) -> [String] {
  guard let file = fopen(path, "r") else { return [] }
  defer { fclose(file) }
  var result: [String] = []
  var line = [CChar](repeating: 0, count: 4096)
  while fgets(&line, 4096, file) != nil { result.append(String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)) }
  return result
}

/// One after the other: they count the children of this process.
@Suite(.serialized) struct ExploreTests {}

extension ExploreTests {
  @Suite(.serialized) struct ExecutionTests {
    static let branching: [Guest] = [.mutex, .race, .forks, .shared, .sharedFile, .files, .signals, .spawn, .code]

    @Test(.timeLimit(.minutes(2)), arguments: branching.map(\.name))
    func heldAndFromExecAgree(_ name: String) throws {
      let guest = Self.branching.first { $0.name == name }!
      try withProgram(guest) { program, found in
        found.check(try program.hold(), "nothing is held")
        let counts = program.machineCounts
        var expected: [Trail] = []
        for seed in [1, 2, 3] as [UInt64] {
          let trail = Trail(try program.executeFromExec(decisions(seed)))
          found.check(trail.verdict == .exited(status: 0) || name == "race", "\(trail)")
          expected.append(trail)
        }
        for seed in [3, 1, 2, 2, 3, 1, 3, 2, 1] as [UInt64] {
          let trail = Trail(try program.execute { decisions(seed) })
          found.check(trail == expected[Int(seed) - 1], "seed \(seed): \(trail), from exec \(expected[Int(seed) - 1])")
        }
        found.check(Set(expected.map(\.fingerprint)).count == 3, "schedules do not differ")
        found.check(program.refusal == nil, "refused: \(program.refusal ?? "")")
        let after = program.machineCounts
        found.check(after.spaces == counts.spaces && after.contexts == counts.contexts, "\(counts) became \(after)")
      }
    }

    @Test(.timeLimit(.minutes(2))) func theDirectEngineBranchesToo() throws {
      try withProgram(.forks, engine: .direct) { program, found in
        found.check(try program.hold(), "nothing is held")
        let one = Trail(try program.executeFromExec(decisions(1)))
        let two = Trail(try program.executeFromExec(decisions(2)))
        found.check(Trail(try program.execute { decisions(2) }) == two, "seed 2 differs")
        found.check(Trail(try program.execute { decisions(1) }) == one, "seed 1 differs")
        found.check(one.verdict == .exited(status: 0), "\(one)")
      }
    }

    @Test(.timeLimit(.minutes(1))) func aRaceShowsInSomeSchedules() throws {
      try withProgram(.race) { program, found in
        try program.hold()
        var outputs: Set<String> = []
        for seed in 1...30 as ClosedRange<UInt64> { outputs.insert(Trail(try program.execute { decisions(seed) }).output) }
        found.check(outputs.count > 1, "always \(outputs)")
        found.check(outputs.allSatisfy { $0.hasPrefix("before\n") }, "\(outputs)")
      }
    }

    @Test(.timeLimit(.minutes(1))) func whatCannotBeBranchedStartsFromExec() throws {
      try withProgram(.refused) { program, found in
        found.check(try program.hold(), "nothing is held")
        let expected = Trail(try program.executeFromExec(decisions(5)))
        found.check(expected.verdict == .exited(status: 0), "\(expected)")
        found.check(Trail(try program.execute { decisions(5) }) == expected, "the refused one differs")
        found.check(program.refusal != nil && program.held == nil, "it was not refused")
        found.check(Trail(try program.execute { decisions(5) }) == expected, "the next one differs")
      }
    }

    @Test(.timeLimit(.minutes(1))) func aProgramWithoutTasksIsExecutedFromExec() throws {
      let input = CapturedInput(bytes: Array("given".utf8), kind: .pipe)
      try withProgram(.alone, input: input) { program, found in
        found.check(try !program.hold(), "something is held")
        for _ in 0..<2 {
          let trail = Trail(try program.execute { decisions(1) })
          found.check(trail.output == "alone 5 given\n" && trail.verdict == .exited(status: 3 << 8), "\(trail)")
        }
      }
    }

    @Test(.timeLimit(.minutes(1))) func anExecutionStopsAtItsBoundOfTraps() throws {
      try withProgram(.race) { program, found in
        try program.hold()
        let traps = program.held!.traps + 10
        let outcome = try program.execute(trapsMax: traps) { decisions(1) }
        found.check(outcome.verdict == nil && outcome.traps == traps, "\(outcome)")
        found.check(try program.execute { decisions(1) }.verdict != nil, "no verdict")
      }
    }
  }
}
