// Many executions in a row: nothing may grow, and each must be short.

import CLinux
import Glibc
import Kernel
import Platform
import Testing

@testable import Explore
@testable import RecordReplay

/// What a process has of the host.
private struct Holdings: CustomStringConvertible {
  var descriptors: Set<String> = []
  var mappings = lines("/proc/self/maps").count
  var children = countChildren()
  /// Resident memory that is no file, in KiB.
  var anonymous = 0

  init() {
    if let folder = opendir("/proc/self/fd") {
      while let entry = readdir(folder) {
        descriptors.insert(withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
      }
      closedir(folder)
    }
    for line in lines("/proc/self/status") where line.hasPrefix("RssAnon:") {
      anonymous = Int(line.split(whereSeparator: { !$0.isNumber }).first ?? "0") ?? 0
    }
  }
  var description: String { "\(descriptors.sorted()) descriptors, \(mappings) mappings, \(children) children, \(anonymous) KiB" }
}

/// User and system time of this process and the stubs that ended, in nanoseconds.
private func processorTime() -> Int64 {
  var sum: Int64 = 0
  for who in [RUSAGE_SELF, RUSAGE_CHILDREN] {
    var usage = rusage()
    _ = getrusage(Int32(who.rawValue), &usage)
    for time in [usage.ru_utime, usage.ru_stime] { sum += Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_usec) * 1000 }
  }
  return sum
}

private func machineStops(_ program: Program) -> UInt64 {
  (program.shared.machine as? any HostedMachine)?.engineCounts.first { $0.name == "stops" }?.count ?? 0
}

extension ExploreTests {
  @Suite(.serialized) struct EnduranceTests {
    @Test(.timeLimit(.minutes(2)), arguments: ["mutex", "forks", "shared-file", "spawn", "code", "signals"])
    func nothingGrows(_ name: String) throws {
      let guest = ExploreTests.ExecutionTests.branching.first { $0.name == name }!
      try withProgram(guest) { program, found in
        try program.hold()
        var seed: UInt64 = 0
        func executeSome(_ count: Int) throws {
          for _ in 0..<count {
            seed += 1
            let outcome = try program.execute { decisions(seed) }
            found.check(outcome.verdict == .exited(status: 0), "seed \(seed): \(Trail(outcome))")
          }
        }
        // Translations and the allocator's arenas first.
        try executeSome(150)
        let before = Holdings()
        let counts = program.machineCounts
        try executeSome(500)
        let after = Holdings()
        found.check(program.machineCounts == counts, "\(counts) became \(program.machineCounts)")
        // What tests before this one had open may be closed meanwhile.
        found.check(after.descriptors.isSubset(of: before.descriptors), "\(before) became \(after)")
        found.check(after.children == before.children, "\(before) became \(after)")
        found.check(after.mappings <= before.mappings + 4, "\(before) became \(after)")
        // A kernel that is not taken apart is some 200 KiB.
        found.check(after.anonymous < before.anonymous + 4096, "\(before) became \(after)")
      }
    }

    /// Prints where the time goes: `REPLAYSB_MEASURE=1`.
    @Test(.timeLimit(.minutes(2)), .enabled(if: getenv("REPLAYSB_MEASURE") != nil), arguments: ["mutex", "forks", "spawn"])
    func cost(_ name: String) throws {
      let guest = ExploreTests.ExecutionTests.branching.first { $0.name == name }!
      var text = ""
      try withProgram(guest) { program, found in
        try program.hold()
        for policy in [SchedulePolicy.roundRobin, .random] {
          for seed in 1...20 as ClosedRange<UInt64> { _ = try program.execute { decisions(seed, policy) } }
          var sum = Times()
          var traps: UInt64 = 0
          let count: Int64 = 500
          let start = now()
          let used = processorTime()
          let stops = machineStops(program)
          for seed in 1...UInt64(count) {
            let outcome = try program.execute { decisions(seed, policy) }
            sum.copy += outcome.times.copy
            sum.fork += outcome.times.fork
            sum.run += outcome.times.run
            sum.end += outcome.times.end
            traps += outcome.traps - (program.held?.traps ?? 0)
          }
          let whole = now() - start
          let processor = processorTime() - used
          let stopped = (machineStops(program) - stops) / UInt64(count)
          func each(_ time: Int64) -> String { "\(time / count / 1000) us" }
          text +=
            "\(name) \(policy.rawValue): copy \(each(sum.copy)), fork \(each(sum.fork)), run \(each(sum.run)) of \(Int64(traps) / count) traps, "
            + "\(stopped) stops, end \(each(sum.end)), whole \(each(whole)), processor \(each(processor))\n"
        }
        let start = now()
        for seed in 1...50 as ClosedRange<UInt64> { _ = try program.executeFromExec(decisions(seed, .roundRobin)) }
        text += "\(name) from exec: \((now() - start) / 50_000) us\n"
      }
      print(text)
    }
  }
}
