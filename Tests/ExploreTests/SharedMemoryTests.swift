// Which memory counts as shared, from accesses by hand.

import Kernel
import LinuxABI
import Platform
import Testing

@testable import Explore

@Suite struct SharedMemoryTests {
  private let one = ContextID(rawValue: 1), two = ContextID(rawValue: 2)
  private let stack = GuestRange(GuestAddress(0x7000), GuestAddress(0x8000))

  private func store(_ pc: UInt64, _ address: UInt64) -> MemoryAccess {
    MemoryAccess(pc: GuestAddress(pc), address: GuestAddress(address), size: 8, isWrite: true)
  }

  private func add(
    _ memory: inout SharedMemory, _ access: MemoryAccess, by task: ContextID, space: UInt32 = 1, handler: RunningHandler? = nil
  ) {
    memory.add([access], aliases: [], by: task, handler: handler, in: AddressSpaceID(rawValue: space))
  }

  private func points(_ memory: SharedMemory) -> [UInt64] { memory.schedulingPoints.map(\.rawValue) }

  @Test func wordOfTwoTasksIsShared() {
    var memory = SharedMemory()
    // Often, and others between: what repeats is known.
    for round in 0..<10_000 { add(&memory, store(0x10, 0x1000 + UInt64(round % 3000) * 8), by: one) }
    add(&memory, store(0x20, 0x5000), by: two)
    #expect(points(memory) == [0x10, 0x20])
    add(&memory, store(0x30, 0x9_0000), by: two)
    #expect(points(memory) == [0x10, 0x20])
  }

  @Test func handlerSharesWhatItInterruptsButNotTheStackBelow() {
    var memory = SharedMemory()
    let handler = RunningHandler(stack: stack)
    add(&memory, store(0x10, 0x7800), by: one)
    add(&memory, store(0x20, 0x7800), by: one, handler: handler)
    #expect(points(memory) == [])
    add(&memory, store(0x11, 0x9000), by: one)
    add(&memory, store(0x21, 0x9000), by: one, handler: handler)
    #expect(points(memory) == [0x11, 0x21])
    // With a stack of its own nothing is left out.
    add(&memory, store(0x22, 0x7800), by: one, handler: RunningHandler(stack: nil))
    #expect(points(memory) == [0x10, 0x11, 0x20, 0x21, 0x22])
  }

  @Test func otherExecutionsCountForTheFirstSpaceOnly() {
    var known = SharedMemory()
    for task in [one, two] {
      var memory = SharedMemory()
      add(&memory, store(0x10, 0x1000), by: one)
      add(&memory, store(0x20, 0x2000), by: task, space: 3)
      known.merge(memory)
    }
    // Both executions had a space 3, of another process each.
    #expect(points(known) == [])
    var memory = SharedMemory()
    add(&memory, store(0x11, 0x1000), by: two)
    // Shared within one execution, so in all.
    add(&memory, store(0x21, 0x2000), by: one, space: 3)
    add(&memory, store(0x22, 0x2000), by: two, space: 3)
    known.merge(memory)
    #expect(points(known) == [0x10, 0x11, 0x21, 0x22])
  }

  @Test func childOfVforkStandsForItsParent() {
    let history = History()
    let parent = TaskID(rawValue: 2)
    history.memory = SharedMemory()
    history.begin((parent, one))
    var registers = Registers()
    for (number, child) in [(SyscallNumber.vfork, two), (SyscallNumber.fork, ContextID(rawValue: 3))] {
      registers.origRax = number
      history.calls(registers, at: GuestAddress(0x100), by: one)
      history.note(.taskStarted(task: 3, context: child, process: 3, parent: 2, name: "child"))
      let space = AddressSpaceID(rawValue: 1)
      history.touched([store(0x10, 0x1000)], aliases: [], by: one, handler: nil, in: space)
      history.touched([store(0x20, 0x1000)], aliases: [], by: child, handler: nil, in: space)
      #expect(points(history.memory!) == (child == two ? [] : [0x10, 0x20]))
    }
  }
}
