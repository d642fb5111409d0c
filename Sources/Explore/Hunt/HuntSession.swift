// A search from options to a trace: the machines, the tries, what was found shrunk and recorded.

import Kernel
import Platform
import RecordReplay
import Trace

public enum HuntSession {
  /// Searches, and shrinks what was found. `progress` is called now and then; false ends the search.
  public static func run(
    _ options: RunOptions, _ search: HuntOptions, input: CapturedInput? = nil, progress: (HuntResult) -> Bool
  ) throws(SessionError) -> HuntResult {
    let crew = try WorkerPool(options, input: input, count: search.jobs)
    defer { crew.end() }
    let hunt = Hunt(crew, search)
    var result = try hunt.run(hasOneTask: crew.hasOneTask, progress: progress)
    result.refusal = crew.refusal
    if let found = result.first, search.shrinks { result.first = try hunt.shrunk(found) }
    return result
  }

  /// Records the schedule that was found, from exec, with a note of the search and what explaining needs. False when the
  /// recording does not fail in the same way.
  public static func record(
    _ found: FoundFailure, _ options: RunOptions, to path: String, input: CapturedInput? = nil
  ) throws(SessionError) -> Bool {
    var options = options
    options.embedsWholePrograms = true
    let decisions = FollowDecisions(
      epoch: Nanoseconds(options.epochNanoseconds), random: SeededDecisions.randomSource(seed: options.seed),
      schedule: found.schedule)
    let output = KeptOutput()
    // A livelock is recorded as far as it was watched.
    if found.outcome.verdict == nil { options.timeoutSeconds = Double(found.outcome.virtualNanoseconds) / 1e9 }
    let result = try RecordSession.record(
      options, to: path, input: input.map { .captured($0) } ?? .captured(CapturedInput(bytes: [], kind: .null)),
      outputs: .keep(output), decisions: decisions, search: SearchNote(found))
    switch (result.end, found.outcome.verdict) {
    case (.exited(let recorded), .exited(let found)?): return recorded == found
    case (.deadlock, .deadlock?), (.timedOut, .timedOut?), (.spin, .spin?): return true
    // The search stopped it at its bound of traps.
    case (.timedOut, nil): return found.outcome.standingCycle == nil
    case (.deadlock, nil): return found.outcome.standingCycle != nil
    default: return false
    }
  }
}

extension SearchNote {
  init(_ found: FoundFailure) {
    self.init(
      failure: found.kind,
      switches: found.schedule.switches.map {
        Switch(kind: .init($0.kind), isInCode: $0.isInCode, place: .init($0.place), next: $0.next.rawValue)
      },
      reorderings: found.reorderings.map {
        Reordering(switchIndex: $0.switchIndex, first: .init($0.first), second: .init($0.second))
      })
  }
}

extension SearchNote.Place {
  fileprivate init(_ place: SchedulePlace) {
    self.init(task: place.task.rawValue, ticks: place.ticks, pc: place.pc.rawValue)
  }
}

extension SearchNote.Switch.Kind {
  fileprivate init(_ kind: Explore.Switch.Kind) {
    switch kind {
    case .preemption: self = .preemption
    case .choice: self = .choice
    case .fairness: self = .fairness
    }
  }
}
