// What the tasks of one execution did at scheduling points and by system calls, in order. Decisions look at it while it grows, to know
// how often a task came to an instruction; afterwards it tells which orders of events could be turned around (`Findings`).

import Kernel
import LinuxABI
import Platform

/// An event that names one moment of an execution: a task's n-th visit to an instruction.
public struct Moment: Hashable, Sendable {
  public var task: TaskID
  /// Of the instruction at a scheduling point, or of a system call.
  public var pc: GuestAddress
  /// From 1.
  public var occurrence: UInt32
  public init(task: TaskID, pc: GuestAddress, occurrence: UInt32) {
    self.task = task
    self.pc = pc
    self.occurrence = occurrence
  }
}

/// Something that a task did to something that others may work with too.
struct HistoryEvent {
  var moment: Moment
  /// What it was done to: a word of memory, a descriptor; equal numbers may collide.
  var object: UInt64
  var isWrite: Bool
  var isCall: Bool
  /// By code of the program itself, or on its variables: not what libraries do among themselves.
  var isOwn: Bool
  /// By an update, which could be stopped between its load and its store.
  var isUpdate = false
  /// Of the last event of a system call, and of what stands for accesses that are not noted: how far it reaches.
  var reach: CallReach?
}

/// Used for one execution after the other, on the machine's thread.
final class History: GuestWatcher {
  /// A task at an instruction.
  private struct Place: Numbered {
    var task: TaskID
    var pc: GuestAddress
    var mixture: UInt64 { pc.rawValue ^ UInt64(UInt32(bitPattern: task.rawValue)) << 48 }
  }
  private(set) var events: [HistoryEvent] = []
  /// Tasks in the order in which they came to life, with the number of events before.
  private(set) var starts: [(task: TaskID, parent: TaskID?, event: Int)] = []
  private var places = Numbering<Place>()
  /// By number of the place.
  private var visits: [UInt32] = []
  private var tasks: [ContextID: TaskID] = [:]
  private var spaces: [ContextID: AddressSpaceID] = [:]
  /// Where memory has two names, so that a futex cannot be told by its address.
  private var aliasedSpaces: Set<AddressSpaceID> = []
  /// Children of vfork, with whom they stand in for: that task waits, and they work on its memory until they execute a program.
  private var standsFor: [ContextID: ContextID] = [:]
  /// Who made the latest call, if that was vfork.
  private var vforks: ContextID?
  /// What all accesses are kept in too, while all are logged.
  var memory: SharedMemory?
  /// The scheduling points; of other instructions nothing is noted here.
  var points = Numbering<GuestAddress>()
  /// Where the program itself is, without its libraries.
  var image: GuestRange?
  /// What an execution does beyond that is counted, but not noted.
  private static let eventsMax = 1 << 15
  /// While that many are left, all visits to a place are noted, then only the first: loops would be all that is left of an execution.
  private static let eventsOfLoops = eventsMax / 2, visitsNoted: UInt32 = 64
  /// Of an only task, which may do much at the end when all others are gone: what it does there has its place by their ends.
  private static let eventsOfOneTask = eventsMax / 2, eventsOfOneTaskInSteps = eventsMax / 8
  /// Only the steps of the execution are asked for, not which orders could be turned around.
  var isForSteps = false
  private var isAlone = false
  private var accesses = 0
  /// How often tasks came to scheduling points.
  var visitsToPoints: Int { accesses }
  /// Ticks of tasks at their last system calls.
  private(set) var callTicks: [TaskID: Ticks] = [:]
  /// A task executed an instruction that is answered for the processor (its clock, say).
  private(set) var hasAskedMachine = false
  /// How often a task's access faulted so far.
  private(set) var faults = 0
  /// Something was not noted.
  private(set) var isCut = false

  /// Before an execution that starts with this task; nil when it starts from exec.
  func begin(_ held: (id: TaskID, context: ContextID)?) {
    events.removeAll(keepingCapacity: true)
    starts = []
    accesses = 0
    hasAskedMachine = false
    faults = 0
    isCut = false
    callTicks = [:]
    places.removeAll()
    visits.removeAll(keepingCapacity: true)
    tasks = [:]
    spaces = [:]
    aliasedSpaces = []
    standsFor = [:]
    vforks = nil
    isAlone = false
    if let held { start(held.id, held.context, by: nil) }
  }

  private func start(_ task: TaskID, _ context: ContextID, by parent: TaskID?) {
    tasks[context] = task
    starts.append((task, parent, events.count))
  }

  /// How often the task has come to this instruction so far. Of a system call: has made it, or stands before it.
  func visits(of task: TaskID, to pc: GuestAddress) -> UInt32 {
    places.find(Place(task: task, pc: pc)).map { visits[$0] } ?? 0
  }

  /// The task comes there once more: how often, with this time.
  private func visit(_ task: TaskID, _ pc: GuestAddress) -> UInt32 {
    let number = places.number(of: Place(task: task, pc: pc))
    if number == visits.count { visits.append(0) }
    visits[number] += 1
    return visits[number]
  }

  func hasHappened(_ moment: Moment) -> Bool { visits(of: moment.task, to: moment.pc) >= moment.occurrence }

  // MARK: What happens

  func wantsAccesses(of task: ContextID, isAlone: Bool) -> Bool {
    self.isAlone = isAlone
    if hasRoom || memory != nil { return true }
    skip(task)
    return false
  }

  /// Whether more of what the task does is noted.
  private var hasRoom: Bool {
    !isAlone || events.count < (isForSteps ? Self.eventsOfOneTaskInSteps : Self.eventsOfOneTask)
  }

  /// What the task does now is not noted: in its steps that may be anything.
  private func skip(_ context: ContextID) {
    guard isForSteps, let task = tasks[context], events.last?.moment != Self.nowhere(task) else { return }
    events.append(
      HistoryEvent(
        moment: Self.nowhere(task), object: Self.anything, isWrite: true, isCall: false, isOwn: false, reach: .anything))
  }
  private static func nowhere(_ task: TaskID) -> Moment { Moment(task: task, pc: GuestAddress(0), occurrence: 0) }

  func leftOut(_ count: Int) {
    memory?.accesses += UInt64(count)
    isCut = true
  }

  func touched(
    _ accesses: [MemoryAccess], aliases: [Alias], by context: ContextID, handler: RunningHandler?, in space: AddressSpaceID
  ) {
    memory?.add(accesses, aliases: aliases, by: standsFor[context] ?? context, handler: handler, in: space)
    spaces[context] = space
    if !aliases.isEmpty { aliasedSpaces.insert(space) }
    guard let task = tasks[context] else { return }
    var alias = 0
    for (index, access) in accesses.enumerated() {
      if !hasRoom { return skip(context) }
      while alias < aliases.count && aliases[alias].index < index { alias += 1 }
      if points.find(access.pc) == nil { continue }
      self.accesses += 1
      let occurrence = access.isSecond ? visits(of: task, to: access.pc) : visit(task, access.pc)
      if events.count >= (occurrence > Self.visitsNoted ? Self.eventsOfLoops : Self.eventsMax) {
        isCut = true
        continue
      }
      let moment = Moment(task: task, pc: access.pc, occurrence: occurrence)
      let isShared = alias < aliases.count && aliases[alias].index == index
      let space = isShared ? Self.noSpace : UInt64(space.rawValue)
      let address = (isShared ? aliases[alias].address : access.address).rawValue
      let isOwn = image.map { $0.contains(access.pc) || $0.contains(access.address) } ?? false
      note(moment, space << 48 ^ address >> 3, access.isWrite, isOwn: isOwn, isUpdate: access.isUpdate)
      let last = (address &+ UInt64(max(1, access.size)) - 1) >> 3
      if last != address >> 3 { note(moment, space << 48 ^ last, access.isWrite, isOwn: isOwn) }
    }
  }
  private static let noSpace: UInt64 = 0xffff

  private func note(
    _ moment: Moment, _ object: UInt64, _ isWrite: Bool, isCall: Bool = false, isOwn: Bool = false, isUpdate: Bool = false,
    reach: CallReach? = nil
  ) {
    events.append(
      HistoryEvent(
        moment: moment, object: object, isWrite: isWrite, isCall: isCall, isOwn: isOwn, isUpdate: isUpdate, reach: reach))
  }

  func calls(_ registers: Registers, at pc: GuestAddress, by context: ContextID) {
    let isVfork = registers.origRax == SyscallNumber.vfork
      || registers.origRax == SyscallNumber.clone && registers.rdi & Self.cloneVfork != 0
    vforks = isVfork ? context : nil
    guard let task = tasks[context] else { return }
    let occurrence = visit(task, pc)
    if events.count >= Self.eventsMax {
      isCut = true
      return
    }
    let moment = Moment(task: task, pc: pc, occurrence: occurrence)
    let object = Self.object(of: registers)
    if let object { note(moment, object, true, isCall: true) }
    let space = spaces[context].flatMap { aliasedSpaces.contains($0) ? nil : $0 }
    let reach = CallReach(of: registers, descriptor: object, in: space)
    note(moment, Self.anything, true, isCall: true, reach: reach)
  }

  func counted(_ ticks: Ticks, beforeCallOf context: ContextID) {
    if let task = tasks[context] { callTicks[task] = ticks }
  }


  func faults(_ task: ContextID) { faults += 1 }

  func asksMachine(_ task: ContextID) { hasAskedMachine = true }

  /// CLONE_VFORK of clone(2). The flags of clone3 lie in memory: its children count as tasks of their own.
  private static let cloneVfork: UInt64 = 0x4000

  /// The descriptor that a call works with.
  private static func object(of registers: Registers) -> UInt64? {
    switch registers.origRax {
    case SyscallNumber.read, SyscallNumber.write, SyscallNumber.close, SyscallNumber.fstat, SyscallNumber.lseek,
      SyscallNumber.pread64, SyscallNumber.pwrite64, SyscallNumber.readv, SyscallNumber.writev, SyscallNumber.dup,
      SyscallNumber.dup2, SyscallNumber.fcntl, SyscallNumber.fsync, SyscallNumber.ftruncate, SyscallNumber.sendto,
      SyscallNumber.recvfrom, SyscallNumber.shutdown:
      return 1 << 62 | UInt64(UInt32(truncatingIfNeeded: registers.rdi))
    default: return nil
    }
  }
  /// Of all calls: what else they are about is not known here.
  private static let anything: UInt64 = 1 << 63

  /// How many events there are without the call that came last, before which its task stands.
  func eventsBeforeCall(of task: TaskID, at pc: GuestAddress) -> Int {
    guard let last = events.last, last.isCall, last.moment.task == task, last.moment.pc == pc else { return events.count }
    return (events.lastIndex { $0.moment != last.moment } ?? -1) + 1
  }

  /// The task lost its turn before the call that came last, and makes it again.
  func retractCall(of task: TaskID, at pc: GuestAddress) {
    visits[places.find(Place(task: task, pc: pc))!] -= 1
    while let last = events.last, last.isCall, last.moment.task == task, last.moment.pc == pc { events.removeLast() }
  }
}

extension History: Observer {
  func note(_ annotation: Annotation) {
    if case .taskStarted(let task, let context, _, _, _) = annotation {
      if let vforks { standsFor[context] = standsFor[vforks] ?? vforks }
      vforks = nil
      start(TaskID(task), context, by: events.count < Self.eventsMax ? events.last?.moment.task : nil)
    }
  }
  func output(_ stream: OutputStream, space: AddressSpaceID, pieces: [GuestRange], bytes: ArraySlice<UInt8>) {}
  func output(_ stream: OutputStream, bytes: ArraySlice<UInt8>) {}
}
