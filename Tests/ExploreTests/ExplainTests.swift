// What an explanation makes of a search's note: the reorderings that it names come first, also where the operation that was held back
// was never executed; and what is told of the accesses is what a replay sees.

import CLinux
import Glibc
import Kernel
import Platform
import PtracePlatform
import Testing
import Trace

@testable import Explain
@testable import Explore
@testable import RecordReplay

extension Guest {
  /// A lost update between two threads; what else they share is touched nearer to the switch than the counter.
  fileprivate static let lostUpdate = Guest(
    "lost-update-explained",
    """
    static volatile int counter, beside;
    static void *work(void *unused) {
      for (int i = 0; i < 3; i++) {
        int before = counter;
        beside = i;
        counter = before + 1;
      }
      return unused;
    }
    int main(void) {
      pthread_t a, b;
      pthread_create(&a, NULL, work, NULL);
      pthread_create(&b, NULL, work, NULL);
      pthread_join(a, NULL);
      pthread_join(b, NULL);
      return counter == 6 ? 0 : 1;
    }
    """)
}

/// Finds the places of accesses by one instruction of another task than this one.
private final class PlaceFinder: ReplayVisitor {
  let pc: UInt64
  let avoided: Int32
  private(set) var places: [(event: UInt64, place: SearchNote.Place)] = []
  var isDone: Bool { false }

  init(pc: UInt64, avoiding task: Int32) {
    self.pc = pc
    avoided = task
  }

  func willPlay(_ record: Record, in replay: InspectedReplay) throws(MachineError) {}
  func didRun(_ event: Event, in replay: InspectedReplay) throws(MachineError) {}

  func run(_ turn: ReplayTurn, in replay: InspectedReplay) throws(MachineError) {
    guard let task = replay.task(of: turn.event.context)?.task, task != avoided, replay.spacesMade > 0 else { return }
    // Not for turns that a limit ends: they could be over before.
    if case .budget = turn.event.trap { return }
    try replay.setSchedulingPoints([GuestAddress(pc)])
    while try turn.run(toPoint: 1) {
      places.append((turn.event.number.rawValue, .init(task: task, ticks: turn.ticks, pc: turn.registers.rip)))
    }
  }
}

/// On a thread of its own, as tracers must.
private func onTracer<T>(_ body: @escaping () throws(SessionError) -> T) throws -> T {
  nonisolated(unsafe) let body = body
  nonisolated(unsafe) var result: Result<T, SessionError> = .failure(SessionError("nothing happened"))
  onTracerThread { do throws(SessionError) { result = .success(try body()) } catch { result = .failure(error) } }
  return try result.get()
}

extension ExploreTests {
  @Suite(.serialized) struct ExplainTests {
    @Test(.timeLimit(.minutes(2))) func reorderingsComeFirst() throws {
      let guest = Guest.lostUpdate
      let options = try options(guest)
      let path = try Folder.path + "-explained.zst"
      defer { unlink(path) }
      let children = countChildren()
      let found = try #require(try onTracer { () throws(SessionError) in try HuntSession.run(options, HuntOptions()) { _ in true } }.first)
      let plain = try onTracer { () throws(SessionError) in
        _ = try HuntSession.record(found, options, to: path)
        return try ExplainSession.explain(path)
      }
      // A store of another task to the counter, while one was held that then stored, too.
      let race = try #require(
        plain.races.first { race in
          race.place.symbol == "counter" && race.accesses.last?.role == .after && race.accesses.last?.operation == .write
            && race.accesses.contains { $0.role == .meanwhile && $0.operation == .write }
        }, "\(plain.text)")
      let store = try #require(race.accesses.first { $0.role == .meanwhile && $0.operation == .write })
      let pc = try #require(UInt64(store.stack[0].address.dropFirst(2), radix: 16))
      // All its preemptions are told, in their order.
      let preemptions = found.schedule.switches.indices.filter { found.schedule.switches[$0].kind == .preemption }
      #expect(plain.switches.count == preemptions.count)
      let preemption = preemptions[try #require(race.switchIndex)]
      let held = found.schedule.switches[preemption].place
      // Every store of the other task could be the one that came first: each of them is told as such, in the event that it is in.
      let places = try onTracer { () throws(SessionError) in
        let replay = try InspectedReplay(path: path)
        defer { replay.shutdown() }
        let finder = PlaceFinder(pc: pc, avoiding: held.task.rawValue)
        try replay.play(finder)
        return finder.places
      }
      #expect(!places.isEmpty)
      for (number, entry) in places.enumerated() {
        let before = SchedulePlace(task: TaskID(entry.place.task), ticks: entry.place.ticks, pc: GuestAddress(entry.place.pc))
        let missing = SchedulePlace(task: held.task, ticks: held.ticks + 1_000_000, pc: GuestAddress(pc))
        for (place, happened) in [(held, true), (missing, false)] {
          let told = try onTracer { () throws(SessionError) in
            var told = found
            told.shrinking = ShrinkResult(
              schedule: found.schedule, reorderings: [Reordering(switchIndex: preemption, first: before, second: place)])
            _ = try HuntSession.record(told, options, to: path)
            return try ExplainSession.explain(path)
          }
          let first = try #require(told.races.first)
          let (other, own) = (first.accesses.filter { $0.role == .meanwhile }, first.accesses.filter { $0.role == .after })
          try #require(!other.isEmpty && own.count == 1)
          // The store is the last of what is told of the others.
          let last = other[other.count - 1]
          #expect(last.task == entry.place.task && last.event == entry.event, "store \(number)")
          #expect(last.operation == .write && first.place.symbol == "counter")
          // Each store adds one.
          #expect(last.valueAfter.flatMap { Int($0) } == last.valueBefore.flatMap { Int($0) }.map { $0 + 1 })
          #expect(own[0].task == held.task.rawValue && own[0].happened == happened)
          #expect((own[0].event != nil) == happened)
          #expect(own[0].stack.first?.line != nil)
          // Before the switch the task had read it, unless the store was earlier still.
          let before = first.accesses.filter { $0.role == .before }
          #expect(before.allSatisfy { $0.operation == .read && $0.task == held.task.rawValue })
        }
      }
      #expect(countChildren() == children)
    }

    /// The same trace, the same explanation.
    @Test(.timeLimit(.minutes(2))) func isDeterministic() throws {
      let options = try options(.lostUpdate)
      let path = try Folder.path + "-twice.zst"
      defer { unlink(path) }
      let texts = try onTracer { () throws(SessionError) in
        let found = try HuntSession.run(options, HuntOptions()) { _ in true }.first
        guard let found else { throw SessionError("not found") }
        _ = try HuntSession.record(found, options, to: path)
        return [try ExplainSession.explain(path).text, try ExplainSession.explain(path).text]
      }
      #expect(texts[0] == texts[1])
      #expect(texts[0].hasPrefix("exit status 1: race on "))
    }
  }
}
