// Which conflicts are told around one switch, and in which order, on made-up accesses.

import Platform
import Testing
import Trace

@testable import Explain

@Suite struct RaceFinderTests {
  private static let (own, other) = (ContextID(rawValue: 1), ContextID(rawValue: 2))

  /// The `index`th access of the run; `variable` is a number that stands for eight bytes.
  private static func touch(_ context: ContextID, _ index: Int, _ variable: UInt64, isWrite: Bool, pc: UInt64? = nil) -> Touch {
    let address = GuestAddress(0x1000 + 8 * variable)
    return Touch(
      context: context, handlerDepth: 0, event: 1, index: index, occurrence: 0, space: AddressSpaceID(rawValue: 1),
      access: MemoryAccess(pc: GuestAddress(pc ?? 0x4000 + UInt64(index)), address: address, size: 8, isWrite: isWrite), home: 1,
      homeAddress: address.rawValue)
  }

  private static func finder(before: [Touch], meanwhile: [Touch], after: [Touch]) -> RaceFinder {
    var entry = CriticalSwitch(
      kind: .preemption, isInCode: true, event: 1, context: own, place: SearchNote.Place(task: 1, ticks: 0, pc: 0), next: 2,
      handlerDepth: 0)
    entry.resume = 2
    return RaceFinder(
      locks: LockWords(), history: SwitchHistory(entry: entry, before: before, meanwhile: meanwhile, after: after), switchIndex: 0)
  }

  /// Two operations that a search found need not touch the same memory: then they are no race, but stand for two.
  @Test func aWindowIsNoRace() throws {
    let before = [Self.touch(Self.own, 0, 1, isWrite: false)]
    let meanwhile = [
      Self.touch(Self.other, 1, 1, isWrite: true), Self.touch(Self.other, 2, 2, isWrite: true), Self.touch(Self.other, 3, 3, isWrite: true),
      Self.touch(Self.other, 4, 2, isWrite: true),
    ]
    let after = [Self.touch(Self.own, 5, 2, isWrite: true), Self.touch(Self.own, 6, 3, isWrite: false)]
    let finder = Self.finder(before: before, meanwhile: meanwhile, after: after)
    var list = finder.conflicts(after: after)
    finder.bring(in: meanwhile[2], before: after[0], at: after[0].access.pc, after: after, to: &list)
    let known = list.filter(\.isKnown)
    try #require(known.count == 2)
    for conflict in known {
      let pair = try #require(conflict.after)
      #expect(pair.other.conflicts(with: pair.own), "\(pair)")
    }
    // What was held back comes first, against what the others had done by then; not against what they did later.
    let told = finder.chosen(list, includesLocks: false)
    #expect(told[0].after?.own == after[0] && told[0].after?.other == meanwhile[1])
    #expect(told[1].after?.own == after[1] && told[1].after?.other == meanwhile[2])
    // Each variable once.
    #expect(told.filter { $0.after?.own.overlaps(after[0]) == true }.count == 1)
  }

  /// The narrowed operation is told beside what came between.
  @Test func aLostUpdateHasBothSides() throws {
    let before = [Self.touch(Self.own, 0, 1, isWrite: false)]
    let meanwhile = [Self.touch(Self.other, 1, 1, isWrite: false), Self.touch(Self.other, 2, 1, isWrite: true)]
    let after = [Self.touch(Self.own, 3, 1, isWrite: true)]
    let finder = Self.finder(before: before, meanwhile: meanwhile, after: after)
    var list = finder.conflicts(after: after)
    finder.bring(in: meanwhile[0], before: after[0], at: after[0].access.pc, after: after, to: &list)
    let told = finder.chosen(list, includesLocks: false)
    try #require(told.count == 1)
    #expect(told[0].touches.map(\.touch) == before + meanwhile + after)
    #expect(told[0].touches.map(\.role) == [.before, .meanwhile, .meanwhile, .after])
  }

  /// An operation that was never executed is a race only where its instruction is known to touch those bytes.
  @Test func unseenOperations() {
    let before = [Self.touch(Self.own, 0, 1, isWrite: false, pc: 0x5000)]
    let meanwhile = [Self.touch(Self.other, 1, 1, isWrite: true)]
    let finder = Self.finder(before: before, meanwhile: meanwhile, after: [])
    for (pc, isTold) in [(UInt64(0x5000), true), (0x6000, false)] {
      var list = finder.conflicts(after: [])
      finder.bring(in: meanwhile[0], before: nil, at: GuestAddress(pc), after: [], to: &list)
      #expect(list.contains { $0.isKnown && $0.after?.own.isAhead == true } == isTold)
    }
  }

  /// Two rounds of a loop are not two halves of one step: what is nearer comes first, and the other variable is its other half.
  @Test func roundsAreNoSteps() throws {
    let before = [Self.touch(Self.own, 0, 1, isWrite: true, pc: 0x5000)]
    let meanwhile = [Self.touch(Self.other, 1, 1, isWrite: false), Self.touch(Self.other, 2, 2, isWrite: false)]
    let after = [Self.touch(Self.own, 3, 2, isWrite: true), Self.touch(Self.own, 4, 1, isWrite: true, pc: 0x5000)]
    let finder = Self.finder(before: before, meanwhile: meanwhile, after: after)
    let told = finder.chosen(finder.conflicts(after: after), includesLocks: false)
    #expect(told.first?.after?.own == after[0])
    // By another instruction it is a step that was meant to be one.
    let step = [after[0], Self.touch(Self.own, 4, 1, isWrite: true, pc: 0x5004)]
    #expect(finder.chosen(finder.conflicts(after: step), includesLocks: false).first?.after?.own == step[1])
  }

  /// Twenty threads that did not get to the same line say one thing.
  @Test func alikeIsToldOnce() {
    let list = (0..<20).map { number in
      Conflict(
        switchIndex: number, rank: .program,
        after: (Self.touch(Self.other, 1, 1, isWrite: true, pc: 0x5000), Self.touch(ContextID(rawValue: UInt32(10 + number)), 2, 1, isWrite: false, pc: 0x6000)),
        distance: 0)
    }
    #expect(list.toldInOrder().count == 1)
  }
}
