// All that the tasks of one execution do to memory and by system calls, in order: where `check` looks for the places of a schedule that was
// found with another build.

import Kernel
import LinuxABI
import Platform

/// One thing that a task did.
public struct TrailEvent: Sendable {
  public enum Action: Hashable, Sendable {
    case load
    case store
    /// One instruction that makes two accesses.
    case update
    case call(UInt64)
  }
  /// The occurrence counts the instruction's executions by this task, from the moment a second task exists.
  public var moment: Moment
  public var action: Action
  /// Of the first byte; 0 for calls.
  public var address: UInt64
  /// Bytes.
  public var size: UInt8
  public var isInHandler: Bool
  /// A task can be stopped inside the instruction, between load and store (`MemoryAccess.isUpdate`).
  public var canStopInside = false
}

extension TrailEvent.Action {
  /// What an instruction does of which this is the first access.
  public init(of access: MemoryAccess) { self = access.isUpdate ? .update : access.isWrite ? .store : .load }
}

/// Listens to one execution after the other, under the log of all accesses. Counts start when there are two tasks, so that they do not
/// depend on whether an execution started from exec.
final class Trail: GuestWatcher {
  private struct Visits: Hashable {
    var task: TaskID
    var key: UInt64
  }
  private(set) var events: [TrailEvent] = []
  /// In order of creation, the first task too.
  private(set) var tasks: [TaskID] = []
  private(set) var ended: Set<TaskID> = []
  private var contexts: [ContextID: TaskID] = [:]
  private var visits: [Visits: UInt32] = [:]
  private var callsMade: [Visits: UInt32] = [:]
  private var lastCalls: [TaskID: UInt64] = [:]
  /// What an execution does beyond that is counted, but not kept.
  private static let eventsMax = 1 << 20

  func begin(_ held: (id: TaskID, context: ContextID)?) {
    tasks = []
    ended = []
    contexts = [:]
    clear()
    if let held { start(held.id, held.context) }
  }

  private func clear() {
    events.removeAll(keepingCapacity: true)
    visits.removeAll(keepingCapacity: true)
    callsMade.removeAll(keepingCapacity: true)
    lastCalls = [:]
  }

  private func start(_ task: TaskID, _ context: ContextID) {
    contexts[context] = task
    tasks.append(task)
    if tasks.count == 2 { clear() }
  }

  /// How often the task has executed this instruction. Of a system call: has made it, or stands before it.
  func visits(of task: TaskID, to pc: GuestAddress) -> UInt32 { visits[Visits(task: task, key: pc.rawValue)] ?? 0 }

  /// The task's last system call, and how many of this number it has made.
  func lastCall(of task: TaskID) -> (number: UInt64, occurrence: UInt32)? {
    lastCalls[task].map { ($0, callsMade[Visits(task: task, key: $0)] ?? 0) }
  }

  func leftOut(_ count: Int) {}

  func touched(_ accesses: [MemoryAccess], aliases: [Alias], by context: ContextID, handler: RunningHandler?, in space: AddressSpaceID) {
    guard let task = contexts[context] else { return }
    for access in accesses {
      if access.isSecond {
        if let last = events.indices.last, events[last].moment.task == task, events[last].moment.pc == access.pc {
          events[last].action = .update
          // The store's, where the two differ.
          if access.isWrite { events[last].address = access.address.rawValue }
        }
        continue
      }
      let count = visits(of: task, to: access.pc) + 1
      visits[Visits(task: task, key: access.pc.rawValue)] = count
      if events.count >= Self.eventsMax { continue }
      events.append(
        TrailEvent(
          moment: Moment(task: task, pc: access.pc, occurrence: count), action: TrailEvent.Action(of: access),
          address: access.address.rawValue, size: access.size, isInHandler: handler != nil, canStopInside: access.isUpdate))
    }
  }

  func calls(_ registers: Registers, at pc: GuestAddress, by context: ContextID) {
    guard let task = contexts[context] else { return }
    let count = visits(of: task, to: pc) + 1
    visits[Visits(task: task, key: pc.rawValue)] = count
    callsMade[Visits(task: task, key: registers.origRax), default: 0] += 1
    lastCalls[task] = registers.origRax
    if events.count >= Self.eventsMax { return }
    events.append(
      TrailEvent(
        moment: Moment(task: task, pc: pc, occurrence: count), action: .call(registers.origRax), address: 0, size: 0, isInHandler: false))
  }

  /// The task lost its turn before the call that came last, and makes it again.
  func retractCall(of task: TaskID, at pc: GuestAddress) {
    visits[Visits(task: task, key: pc.rawValue)]! -= 1
    if let number = lastCalls[task] { callsMade[Visits(task: task, key: number)]! -= 1 }
    if let last = events.last, case .call = last.action, last.moment.task == task, last.moment.pc == pc { events.removeLast() }
  }
}

extension Trail: Observer {
  func note(_ annotation: Annotation) {
    switch annotation {
    case .taskStarted(let task, let context, _, _, _): start(TaskID(task), context)
    case .taskExited(let task, _): ended.insert(TaskID(task))
    default: break
    }
  }
  func output(_ stream: OutputStream, space: AddressSpaceID, pieces: [GuestRange], bytes: ArraySlice<UInt8>) {}
  func output(_ stream: OutputStream, bytes: ArraySlice<UInt8>) {}
}
