// How places and tasks of one build are found in another: without processes, from words that a build would tell.

import Explore
import Kernel
import Platform
import Testing
import Trace

@testable import Check

private func place(
  _ action: TrailEvent.Action, _ variable: String?, _ functions: [String], line: Int? = nil, ordinal: Int = 1, isInside: Bool = false,
  isInHandler: Bool = false, isOfProgram: Bool = true, caller: [String] = []
) -> PortablePlace {
  var code = CodePlace()
  code.functions = functions
  code.relativeLine = line
  code.isOfProgram = isOfProgram
  var place = PortablePlace(
    action: action, code: code, data: DataPlace(symbol: variable), size: 4, isInHandler: isInHandler, caller: caller, ordinal: ordinal)
  place.isInside = isInside
  return place
}

@Suite struct PlaceDistanceTests {
  @Test func aPlaceIsNearestToItself() {
    let own = place(.store, "counter", ["add"], line: 3)
    #expect(own.distance(to: own) == 0)
    let others = [
      place(.load, "counter", ["add"], line: 3), place(.store, "total", ["add"], line: 3), place(.store, "counter", ["sub"], line: 3),
      place(.store, "counter", ["add"], line: 5), place(.store, "counter", ["add"], line: 3, ordinal: 2),
      place(.store, "counter", ["add"], line: 3, isInHandler: true),
    ]
    for other in others {
      let distance = own.distance(to: other)
      #expect(distance != nil && distance! > 0, "\(other.description)")
    }
  }

  @Test func anotherVariableIsFartherThanMovedCode() {
    let own = place(.store, "counter", ["add"], line: 3)
    let moved = own.distance(to: place(.store, "counter", ["add"], line: 12, ordinal: 2))!
    let other = own.distance(to: place(.store, "total", ["add"], line: 3))!
    #expect(moved < other)
  }

  @Test func strangersDoNotFit() {
    #expect(place(.store, "counter", ["add"]).distance(to: place(.store, "total", ["clear"])) == nil)
    // All threads run below these.
    #expect(place(.store, "counter", ["add", "main"]).distance(to: place(.store, "total", ["clear", "main"])) == nil)
    // Nothing is known of what they touch.
    #expect(place(.store, nil, ["add"]).distance(to: place(.store, nil, ["clear"])) == nil)
  }

  @Test func callsFitTheSameCallOnly() {
    let own = place(.call(202), nil, ["wait"])
    #expect(own.distance(to: place(.call(202), nil, ["wait"])) == 0)
    #expect(own.distance(to: place(.call(1), nil, ["wait"])) == nil)
    #expect(own.distance(to: place(.store, nil, ["wait"])) == nil)
    #expect(place(.load, nil, ["wait"]).distance(to: own) == nil)
  }

  @Test func inliningAndRenamingKeepAPlaceInReach() {
    let own = place(.store, "counter", ["add", "work"])
    #expect(own.distance(to: place(.store, "counter", ["work"])) != nil)
    #expect(own.distance(to: place(.store, "counter", ["sum"])) != nil)
    #expect(own.distance(to: place(.store, "counter", ["work"]))! < own.distance(to: place(.store, "counter", ["sum"]))!)
  }

  @Test func libraryWorkIsToldApartByItsCaller() {
    let own = place(.load, nil, ["pthread_mutex_lock"], isOfProgram: false, caller: ["add"])
    #expect(own.distance(to: own) == 0)
    #expect(own.distance(to: place(.load, nil, ["pthread_mutex_lock"], isOfProgram: false, caller: ["clear"])) == nil)
    #expect(own.distance(to: place(.load, nil, ["memcpy"], isOfProgram: false, caller: ["clear"])) == nil)
  }

  @Test func insideAnUpdateIsBehindItsLoad() {
    let inside = place(.update, "counter", ["add"], isInside: true)
    let update = inside.distance(to: place(.update, "counter", ["add"]))!
    let store = inside.distance(to: place(.store, "counter", ["add"]))!
    #expect(update < store)
    // In front of it the other task's store would not be lost.
    #expect(inside.distance(to: place(.load, "counter", ["add"])) == nil)
  }

  @Test func inFrontOfAnUpdateIsInFrontOfALoad() {
    let before = place(.update, "counter", ["add"])
    #expect(before.distance(to: place(.load, "counter", ["add"]))! < before.distance(to: place(.store, "counter", ["add"]))!)
  }
}

@Suite struct TaskMatchingTests {
  private let new = [TaskID(2), TaskID(7), TaskID(8), TaskID(9)]

  @Test func byFunctionWhateverTheOrder() {
    let matched = TaskMatching.tasks(
      [2, 3, 4, 5], roots: [2: "main", 3: "read", 4: "write", 5: "read"], in: new, roots: [2: "main", 7: "write", 8: "read", 9: "read"])
    #expect(matched == [2: TaskID(2), 3: TaskID(8), 4: TaskID(7), 5: TaskID(9)])
  }

  @Test func byOrderWithoutNames() {
    #expect(TaskMatching.tasks([2, 3, 4], roots: [:], in: new, roots: [:]) == [2: TaskID(2), 3: TaskID(7), 4: TaskID(8)])
  }

  @Test func theFirstIsTheFirst() {
    // It is seen first wherever it stands.
    let matched = TaskMatching.tasks([2, 3], roots: [2: "read", 3: "read"], in: new, roots: [2: "start", 7: "read", 8: "read"])
    #expect(matched[2] == TaskID(2))
    #expect(matched[3] == TaskID(8))
  }

  @Test func moreThanThereAre() {
    let matched = TaskMatching.tasks([2, 3, 4], roots: [3: "read", 4: "read"], in: [TaskID(2), TaskID(7)], roots: [7: "read"])
    #expect(matched[3] == TaskID(7))
    // Nobody has its place.
    #expect(matched[4] == TaskID(4))
  }
}

@Suite struct NotePointsTests {
  private func entry(
    _ kind: SearchNote.Switch.Kind, task: Int32, ticks: UInt64, isInCode: Bool = true, to next: Int32 = 9
  ) -> SearchNote.Switch {
    SearchNote.Switch(kind: kind, isInCode: isInCode, place: SearchNote.Place(task: task, ticks: ticks, pc: 0x1000), next: next)
  }

  @Test func timeBelongsToTheSwitchBehindIt() {
    let points = NotePoints(
      SearchNote(
        failure: "signal 6",
        switches: [
          entry(.delay, task: 2, ticks: 5), entry(.delay, task: 2, ticks: 5), entry(.preemption, task: 2, ticks: 5),
          entry(.delay, task: 3, ticks: 8, isInCode: false), entry(.choice, task: 3, ticks: 8, isInCode: false),
          entry(.choice, task: 4, ticks: 1, isInCode: false),
        ]))
    #expect(points.steps == [2])
    #expect(points.delays == [0, 0, 2, 0, 1, 0])
    #expect(points.delaysInAll == 3)
    #expect(!points.hasStays)
  }

  @Test func timeThatPassesAlone() {
    let points = NotePoints(
      SearchNote(
        failure: "deadlock",
        switches: [
          entry(.delay, task: 2, ticks: 5), entry(.preemption, task: 2, ticks: 6), entry(.delay, task: 3, ticks: 8, isInCode: false),
          entry(.fairness, task: 3, ticks: 9, to: 3),
        ]))
    #expect(points.steps == [0, 1])
    #expect(points.delays == [1, 0, 1, 0])
    #expect(points.hasStays)
  }
}
