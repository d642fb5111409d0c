// Helpers of the IPC and time tests: more threads, and the loop that lets woken tasks go on.

import LinuxABI
import Platform

@testable import Kernel

extension KernelFixture {
  /// One more thread of the first process.
  func makeThread(_ name: String = "thread") -> Task {
    let id = kernel.tasks.allocateID()
    let new = Task(
      id: id, context: ExecutionContext(id: kernel.identifiers.nextContext(), space: task.memory.space),
      group: task.group, memory: task.memory, files: task.files, fs: task.fs, credentials: task.credentials, name: name)
    task.group.tasks.append(new)
    task.memory.users += 1
    kernel.tasks.add(new)
    return new
  }

  func call(_ number: UInt64, by task: Task, _ arguments: UInt64...) -> Int64? { call(number, of: task, arguments) }

  /// Jumps to the next deadline and fires it.
  func passTime() {
    guard let deadline = kernel.timers.nextDeadline() else { return }
    kernel.clock.jump(to: deadline)
    while let entry = kernel.timers.popDue(kernel.clock.monotonic) { entry.target.timerFired(kernel, token: entry.token) }
  }

  func isBlocked(_ task: Task) -> Bool {
    if case .blocked = task.runState { return true }
    return false
  }

  func isWoken(_ task: Task) -> Bool {
    if case .resumeSyscall = task.runState { return true }
    return false
  }

  func putInteger<T: FixedWidthInteger>(_ value: T) -> UInt64 {
    let address = allocate(MemoryLayout<T>.size)
    try! task.memory.store(GuestAddress(address), value)
    return address
  }

  func set<T: FixedWidthInteger>(_ address: UInt64, _ value: T) { try! task.memory.store(GuestAddress(address), value) }

  func putTime(_ nanoseconds: Int64) -> UInt64 { put(Nanoseconds(nanoseconds).timespecBytes) }

  /// read(2) and write(2) on an open file, as its class has them.
  func read(_ descriptor: Int64?, _ count: Int) -> Result<[UInt8], Errno> {
    let call = Syscall(
      kernel: kernel, task: task, number: 0, arguments: [0, 0, 0, 0, 0, 0], wake: nil, resume: nil)
    do throws(Errno) {
      return .success(try task.files.file(Int32(descriptor ?? -1)).read(call, count))
    } catch { return .failure(error) }
  }
  func write(_ descriptor: Int64?, _ bytes: [UInt8]) -> Result<Int, Errno> {
    let call = Syscall(
      kernel: kernel, task: task, number: 1, arguments: [0, 0, 0, 0, 0, 0], wake: nil, resume: nil)
    do throws(Errno) {
      return .success(try task.files.file(Int32(descriptor ?? -1)).write(call, bytes[...]))
    } catch { return .failure(error) }
  }
}
