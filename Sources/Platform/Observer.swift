// What the kernel says about the conversation beside the effects themselves. A recording keeps these as
// annotations; `dump` and divergence reports read them. Only output and exit change what a replay does.

/// A host stream that the guest writes to and the tool passes through.
public enum OutputStream: UInt8, Hashable, Sendable {
  case standardOutput = 1
  case standardError = 2
}

/// One thing worth saying about the run. `task` is the guest-visible thread id.
public enum Annotation: Hashable, Sendable {
  /// A task came to life: which context it is, its process, its parent's process, its name.
  case taskStarted(task: Int32, context: ContextID, process: Int32, parent: Int32, name: String)
  /// execve succeeded.
  case executed(task: Int32, path: String, arguments: [String])
  /// A task ended with this wait status (exit code << 8, or signal).
  case taskExited(task: Int32, status: Int32)
  /// A signal was delivered: default action or handler.
  case signalDelivered(task: Int32, signal: UInt8, code: Int32, senderProcess: Int32, handler: GuestAddress)
  /// A syscall finished for a task that was blocked in it (the result is in the registers effect that follows).
  case syscallResumed(task: Int32, number: UInt64, result: Int64)
  /// The scheduler's choice and why.
  case scheduled(task: Int32, reason: ScheduleReason)
  /// Virtual time jumped because every task slept. Nanoseconds since boot.
  case timeJumped(nanoseconds: UInt64)
  /// Random bytes that the guest was given.
  case randomBytes([UInt8])
  /// Bytes that came from the host (stdin, host network).
  case hostInput(stream: Int32, count: Int)
  /// A syscall number that the kernel does not know.
  case unknownSyscall(task: Int32, number: UInt64)
  /// The run's end: the first process's wait status, or a verdict of the tool.
  case runEnded(status: Int32, verdict: String)
}

public enum ScheduleReason: UInt8, Hashable, Sendable {
  case blocked = 1, yielded, preempted, exited, woken, created
}

/// Listens to the kernel. Calls come in the total order of the conversation.
public protocol Observer: AnyObject {
  func note(_ annotation: Annotation)
  /// The guest wrote these pieces of its memory to a stream. The bytes are about to leave for the host.
  func output(_ stream: OutputStream, space: AddressSpaceID, pieces: [GuestRange], bytes: ArraySlice<UInt8>)
  /// Bytes for a stream that do not lie in guest memory (splice, sendfile).
  func output(_ stream: OutputStream, bytes: ArraySlice<UInt8>)
  /// The content of this file is now part of the conversation: the object holds it, or, with none, the guest read it.
  func fileEmbedded(path: String, object: MemoryObjectID?, size: UInt64)
}

extension Observer {
  public func fileEmbedded(path: String, object: MemoryObjectID?, size: UInt64) {}
}

/// Nobody listens.
public final class SilentObserver: Observer {
  public init() {}
  public func note(_ annotation: Annotation) {}
  public func output(_ stream: OutputStream, space: AddressSpaceID, pieces: [GuestRange], bytes: ArraySlice<UInt8>) {}
  public func output(_ stream: OutputStream, bytes: ArraySlice<UInt8>) {}
}
