// Several workers, each with a machine on a thread of its own. A group of trials is shared out as they get done; the results come back in
// the order of the trials.

import HostThreads
import PtracePlatform
import RecordReplay

final class WorkerPool: TrialExecutor {
  private let desk: Monitor<Desk>
  private var threads: [HostThread] = []
  let hasOneTask: Bool

  /// Starts the workers, and waits until each holds the program.
  init(_ options: RunOptions, input: CapturedInput?, count: Int) throws(SessionError) {
    desk = Monitor(Desk(starting: count))
    for number in 0..<count {
      let desk = desk, bytes = input?.bytes ?? [], kind = input?.kind ?? .null
      threads.append(
        startTracerThread {
          serve(desk) { () throws(SessionError) in
            try Worker(options, input: CapturedInput(bytes: bytes, kind: kind), number: number)
          }
        })
    }
    let started = desk.wait { $0.starting == 0 ? $0 : nil }
    hasOneTask = started.hasOneTask
    if let error = started.error {
      end()
      throw error
    }
  }

  func end() {
    desk.change { $0.isClosed = true }
    for thread in threads { thread.join() }
    threads = []
  }

  /// Why executions start from exec, when they do.
  var refusal: String? { desk.change { $0.refusal } }

  func execute(_ trials: [Trial], _ setting: TrialSetting) throws(SessionError) -> [TrialResult] {
    desk.change {
      $0.setting = setting
      $0.trials = trials
      $0.results = Array(repeating: nil, count: trials.count)
      $0.missing = trials.count
      $0.next = 0
    }
    let (error, results) = desk.wait { $0.missing == 0 || $0.error != nil ? ($0.error, $0.results) : nil }
    if let error { throw error }
    return results.map { $0! }
  }
}

/// What the search and the workers pass to each other.
private struct Desk: Sendable {
  var setting = TrialSetting()
  var trials: [Trial] = []
  /// The next to be taken.
  var next = 0
  var results: [TrialResult?] = []
  var missing = 0
  var error: SessionError?
  var refusal: String?
  var hasOneTask = false
  var starting: Int
  var isClosed = false

  init(starting: Int) { self.starting = starting }

  var isOver: Bool { isClosed || error != nil }

  mutating func take() -> (index: Int, trial: Trial, setting: TrialSetting)? {
    if next == trials.count { return nil }
    defer { next += 1 }
    return (next, trials[next], setting)
  }
}

/// A worker's life.
private func serve(_ desk: Monitor<Desk>, _ make: () throws(SessionError) -> Worker) {
  do throws(SessionError) {
    let worker = try make()
    defer { worker.end() }
    desk.change {
      $0.starting -= 1
      $0.hasOneTask = worker.hasOneTask
    }
    while case let taken?? = desk.wait({ $0.isOver ? .some(nil) : $0.take().map { .some($0) } }) {
      let result = try worker.execute(taken.trial, taken.setting)
      desk.change {
        $0.results[taken.index] = result
        $0.missing -= 1
        $0.refusal = worker.program.refusal ?? $0.refusal
      }
    }
  } catch {
    desk.change {
      if $0.error == nil { $0.error = error }
      $0.starting = 0
    }
  }
}
