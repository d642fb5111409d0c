// Who is told what the tasks of an execution do: to memory, as far as the machine logs it, and by system calls.

import Kernel
import LinuxABI
import Platform

/// Listens to one execution after the other. Calls come in the order in which things happened.
public protocol GuestWatcher: AnyObject {
  /// A task is about to run: whether its accesses are of interest. Otherwise `touched` is not told of them. `isAlone`: no other task
  /// lives, so that nobody can come in between until it makes one.
  func wantsAccesses(of task: ContextID, isAlone: Bool) -> Bool
  /// So many accesses come with the next call of `touched`, but are left out of it.
  func leftOut(_ count: Int)
  /// What a task touched in one run. `aliases`: which of these, in their order, touch memory that processes map together, with an address that is
  /// the same for all of them.
  func touched(_ accesses: [MemoryAccess], aliases: [Alias], by task: ContextID, handler: RunningHandler?, in space: AddressSpaceID)
  /// A task has trapped by the system call instruction at `pc`.
  func calls(_ registers: Registers, at pc: GuestAddress, by task: ContextID)
  /// So many ticks a task has executed when it traps by a system call; `calls` comes next.
  func counted(_ ticks: Ticks, beforeCallOf task: ContextID)
  /// A task has trapped by an instruction that is answered for the processor (its clock, say), or in a way that only old programs use.
  func asksMachine(_ task: ContextID)
  /// A task's access, or its instruction, faulted.
  func faults(_ task: ContextID)
}

extension GuestWatcher {
  public func wantsAccesses(of task: ContextID, isAlone: Bool) -> Bool { true }
  public func counted(_ ticks: Ticks, beforeCallOf task: ContextID) {}
  public func asksMachine(_ task: ContextID) {}
  public func faults(_ task: ContextID) {}
}

/// The signal handler that a task is in.
public struct RunningHandler: Hashable, Sendable {
  /// What it has of the stack of the code that it interrupted. That code has nothing there: what both touch they do not share. nil
  /// when it has a stack of its own.
  public var stack: GuestRange?
}

/// Another name of an access's memory.
public struct Alias: Hashable, Sendable {
  /// Of the access.
  public var index: Int
  /// Of the memory object's byte, under which all processes know it.
  public var address: GuestAddress
}
