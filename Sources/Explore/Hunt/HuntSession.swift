// A search from options to a trace: the machines, the tries, what was found shrunk and recorded.

import CLinux
import Kernel
import Platform
import RecordReplay
import Trace

public enum HuntSession {
  /// Searches, and shrinks what was found. `progress` is called now and then; false ends the search. `saved`: where to go on; the
  /// options' epoch must be its. An interrupted search gives what it has come to.
  public static func run(
    _ options: RunOptions, _ search: HuntOptions, input: CapturedInput? = nil, from saved: SavedSearch? = nil,
    watcher: HuntWatcher = HuntWatcher(), progress: (HuntResult) -> Bool
  ) throws(SessionError) -> HuntResult {
    let crew: WorkerPool
    do throws(SessionError) { crew = try WorkerPool(options, input: input, count: search.jobs) } catch {
      if !watcher.isInterrupted() { throw error }
      var result = HuntResult()
      result.isInterrupted = true
      return result
    }
    defer { crew.end() }
    let hunt = Hunt(crew, search, watcher)
    var result = HuntResult()
    do throws(SessionError) {
      result = try hunt.run(hasOneTask: crew.hasOneTask, from: saved, progress: progress)
    } catch {
      // Whatever an execution makes of being stopped.
      if !error.isInterruption && !watcher.isInterrupted() { throw error }
      result = hunt.result
      result.isInterrupted = true
    }
    try hunt.tellFirst()
    if let found = result.first, search.shrinks, !result.isInterrupted {
      let shrunk = try hunt.shrunk(found)
      result.first = shrunk
      result.isInterrupted = shrunk.isPartlyShrunk
    }
    result.refusal = crew.refusal
    watcher.ended(hunt)
    return result
  }

  /// Records the schedule that was found, from exec, with a note of the search and what explaining needs. Under another name
  /// (`temporaryPath`), so that what stands at `path` is replaced by a whole trace or not at all. False when the recording does
  /// not fail in the same way.
  public static func record(
    _ found: FoundFailure, _ options: RunOptions, to path: String, input: CapturedInput? = nil
  ) throws(SessionError) -> Bool {
    var options = options
    options.embedsWholePrograms = true
    options.takesHostSignals = false
    let temporary = temporaryPath(path)
    options.hidden.hideOwn(temporary)
    options.hidden.hideOwn(temporary + ".journal")
    let decisions = FollowDecisions(
      epoch: Nanoseconds(options.epochNanoseconds), random: SeededDecisions.randomSource(seed: options.seed),
      schedule: found.schedule)
    let output = KeptOutput()
    // A livelock is recorded as far as it was watched.
    if found.outcome.verdict == nil { options.timeoutSeconds = Double(found.outcome.virtualNanoseconds) / 1e9 }
    let result = try RecordSession.record(
      options, to: temporary, input: input.map { .captured($0) } ?? .captured(CapturedInput(bytes: [], kind: .null)),
      outputs: .keep(output), decisions: decisions, search: SearchNote(found))
    let renamed = rsb_host_rename(temporary, path)
    if renamed < 0 { throw SessionError("cannot write the trace \(path): \(describeHostError(Int32(-renamed)))") }
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

extension HuntSession {
  /// Where a trace is until it is whole; its journal lies beside it.
  public static func temporaryPath(_ path: String) -> String { path + ".part" }
}

extension SearchNote {
  init(_ found: FoundFailure) {
    self.init(
      failure: found.kind,
      switches: found.schedule.switches.map {
        Switch(
          kind: .init($0.kind), isInCode: $0.isInCode, isInside: $0.place.isInside, place: .init($0.place),
          next: $0.next.rawValue)
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
    case .delay: self = .delay
    }
  }
}
