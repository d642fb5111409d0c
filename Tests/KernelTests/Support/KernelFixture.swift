// A kernel on a fake machine and a fake host, with one process whose memory a test can fill and whose syscalls it
// makes.

import LinuxABI
import Platform
import Testing

@testable import Kernel

final class KernelFixture {
  let machine: FakeMachine
  let host: FakeHostView
  let kernel: Kernel
  /// The first process's only task, pid 2.
  let task: Task
  /// Read-write memory of the first process, from `scratch` on.
  static let scratch = GuestAddress(0x10_0000)
  static let scratchSize: UInt64 = 1 << 24
  private var nextFree = scratch

  init(
    host: FakeHostView = FakeHostView(), seed: UInt64 = 1, policy: SchedulePolicy = .roundRobin,
    observer: any Observer = SilentObserver(), decisions: (any Decisions)? = nil,
    configure: (inout KernelConfiguration) -> Void = { _ in }
  ) {
    self.host = host
    machine = FakeMachine()
    var configuration = KernelConfiguration()
    configuration.user = 1000
    configuration.group = 1000
    configure(&configuration)
    let decisions =
      decisions ?? SeededDecisions(seed: seed, policy: policy, epoch: Nanoseconds(1_700_000_000_000_000_000))
    kernel = Kernel(
      machine: machine, host: host, decisions: decisions, observer: observer, configuration: configuration)
    task = Self.makeFirstTask(kernel, machine)
  }

  private static func makeFirstTask(_ kernel: Kernel, _ machine: FakeMachine) -> Task {
    let configuration = kernel.configuration
    let initID = kernel.tasks.allocateID()
    let session = Session(id: initID)
    let initGroup = ThreadGroup(
      id: initID, parent: nil, processGroup: ProcessGroup(id: initID, session: session), handlers: SignalHandlers(),
      limits: ResourceLimits())
    kernel.initProcess = initGroup
    kernel.tasks.add(initGroup)
    let id = kernel.tasks.allocateID()
    let group = ThreadGroup(
      id: id, parent: initGroup, processGroup: ProcessGroup(id: id, session: session), handlers: SignalHandlers(),
      limits: ResourceLimits())
    let space = kernel.identifiers.nextSpace()
    let contextID = kernel.identifiers.nextContext()
    do {
      try machine.createAddressSpace(space)
      try machine.map(
        space, GuestRange(scratch, length: scratchSize)!, [.read, .write], .anonymous)
      try machine.createContext(contextID, extendedState: .initial)
    } catch {
      preconditionFailure("\(error)")
    }
    let task = Task(
      id: id, context: ExecutionContext(id: contextID, space: space), group: group,
      memory: MemoryManager(space: space, machine: machine), files: try! kernel.makeStandardStreams(),
      fs: try! kernel.makeFSContext(),
      credentials: Credentials(
        user: configuration.user, group: configuration.group,
        supplementaryGroups: configuration.supplementaryGroups),
      name: "test")
    group.tasks = [task]
    group.leader = task
    initGroup.children = [group]
    kernel.firstProcess = group
    kernel.tasks.add(group)
    kernel.tasks.add(task)
    kernel.scheduler.current = task
    return task
  }

  // MARK: Memory

  /// A fresh piece of scratch memory, 16-byte aligned.
  func allocate(_ count: Int) -> UInt64 {
    let address = nextFree
    nextFree = nextFree + UInt64((count + 15) & ~15)
    precondition(nextFree < Self.scratch + Self.scratchSize, "the scratch memory is used up")
    return address.rawValue
  }
  func put(_ bytes: [UInt8]) -> UInt64 {
    let address = allocate(bytes.count)
    _ = try! machine.write(task.memory.space, GuestAddress(address), bytes[...])
    return address
  }
  /// A C string.
  func put(_ text: String) -> UInt64 { put(Array(text.utf8) + [0]) }
  func bytes(_ address: UInt64, _ count: Int) -> [UInt8] {
    try! machine.read(task.memory.space, GuestAddress(address), count)
  }
  func text(_ address: UInt64, _ count: Int) -> String { String(decoding: bytes(address, count), as: UTF8.self) }
  func word<T: FixedWidthInteger>(_ address: UInt64, as type: T.Type = T.self) -> T {
    try! task.memory.load(GuestAddress(address), as: T.self)
  }

  // MARK: Syscalls

  /// Makes a syscall of the first task; nil when it blocked.
  @discardableResult
  func call(_ number: UInt64, _ arguments: UInt64...) -> Int64? { call(number, of: task, arguments) }

  func call(_ number: UInt64, of task: Task, _ arguments: [UInt64]) -> Int64? {
    var list: InlineArray<6, UInt64> = [0, 0, 0, 0, 0, 0]
    for (index, argument) in arguments.enumerated() { list[index] = argument }
    task.context.registers.rax = number
    task.context.registers.origRax = number
    kernel.clock.trapPassed()
    kernel.invoke(
      Syscall(kernel: kernel, task: task, number: number, arguments: list, wake: nil, resume: nil))
    return result(of: task)
  }

  /// Lets a woken task try its blocked syscall again; nil when it blocks still.
  func resume(_ task: Task) -> Int64? {
    guard case .resumeSyscall(let reason) = task.runState, let blocked = task.blocked else { return nil }
    kernel.scheduler.remove(task)
    task.blocked = nil
    task.runState = .user
    kernel.invoke(
      Syscall(
        kernel: kernel, task: task, number: blocked.number, arguments: blocked.arguments, wake: reason,
        resume: blocked.block.resume))
    return result(of: task)
  }

  private func result(of task: Task) -> Int64? {
    if case .blocked = task.runState { return nil }
    if case .resumeSyscall = task.runState { return nil }
    return Int64(bitPattern: task.context.registers.rax)
  }
}

/// The value that a failed syscall leaves in rax.
func failure(_ errno: Errno) -> Int64 { -Int64(errno.rawValue) }
