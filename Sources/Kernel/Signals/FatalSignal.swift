// Where a signal ended a process: the program counter then, and who called what it stands in.

import LinuxABI
import Platform

/// An address of code in terms that stay the same from run to run.
public struct CodePlace: Sendable, Hashable, CustomStringConvertible {
  public var address: GuestAddress
  /// The file's name without its folders, or what /proc/PID/maps calls the memory; empty for plain memory and none.
  public var object: String
  /// From where the object begins in memory; the address itself where there is no object.
  public var offset: UInt64

  /// As backtrace_symbols(3) writes places without symbols.
  public var description: String {
    object.isEmpty ? "0x" + String(offset, radix: 16) : "\(object)+0x" + String(offset, radix: 16)
  }

  init(_ address: GuestAddress, in memory: MemoryManager) {
    self.address = address
    object = ""
    offset = address.rawValue
    guard let mapping = memory.list.mapping(at: address) else { return }
    let name = mapping.displayName
    if name.isEmpty { return }
    object = String(decoding: name.split(separator: UInt8(ascii: "/")).last ?? name[...], as: UTF8.self)
    let base = memory.list.all.first { $0.displayName == name }?.range.start ?? mapping.range.start
    offset = address.rawValue &- base.rawValue
  }
}

/// A signal that ended a process by its default action.
public struct FatalSignal: Sendable, Hashable {
  public var task: TaskID
  public var process: TaskID
  /// The process whose end ends the run.
  public var isOfFirstProcess: Bool
  /// comm of the task.
  public var name: String
  public var signal: Int
  /// The task did something at `place` that brought the signal: a fault, or a call that sent it to its own process. False
  /// for one that came from elsewhere, and then `place` is just where it was met.
  public var isOwnDoing: Bool
  /// si_addr of a fault.
  public var faultAddress: GuestAddress?
  public var place: CodePlace
  /// Where `place` is in a library: the innermost return address on the stack that is in another object, as for abort(3) the
  /// one who called it. Found without unwind tables, as a word that stands behind a call instruction, so it may be one that an earlier call left
  /// there; the same in equal runs all the same.
  public var caller: CodePlace?

  public var description: String {
    let text = "\(SignalNumber.name(signal)) in task \(task) (\(name)) at \(place)"
    return text + (caller.map { ", called from \($0)" } ?? "")
  }
}

extension Kernel {
  /// How many of other processes than the first are kept.
  private static let fatalSignalsMax = 64

  /// A process is about to end by a signal that `task` took.
  func noteFatalSignal(_ info: SignalInfo, _ task: Task) {
    let isFirst = task.group === firstProcess
    if !isFirst && statistics.fatalSignals.count >= Self.fatalSignalsMax { return }
    let place = CodePlace(GuestAddress(task.context.registers.rip), in: task.memory)
    statistics.fatalSignals.append(
      FatalSignal(
        task: task.id, process: task.group.id, isOfFirstProcess: isFirst, name: task.name, signal: info.signal,
        isOwnDoing: info.isFault || info.sender == task.group.id,
        faultAddress: info.isFault ? info.address : nil, place: place,
        caller: info.signal == SignalNumber.kill ? nil : callerOutside(place, task)))
  }

  /// How much of the stack is looked through, in bytes.
  private static let stackBytesMax = 16384

  private func callerOutside(_ place: CodePlace, _ task: Task) -> CodePlace? {
    let start = GuestAddress(task.context.registers.rsp & ~7)
    let executable = task.group.executablePath.split(separator: UInt8(ascii: "/")).last ?? []
    if place.object.utf8.elementsEqual(executable) { return nil }
    guard let stack = try? task.memory.copyInPartial(start, Self.stackBytesMax) else { return nil }
    for index in 0..<(stack.count / 8) {
      let address = GuestAddress(stack.integer(at: index * 8) as UInt64)
      guard let mapping = task.memory.list.mapping(at: address), mapping.protection.contains(.execute),
        isBehindCall(address, task.memory)
      else { continue }
      let found = CodePlace(address, in: task.memory)
      if found.object != place.object { return found }
    }
    return nil
  }

  /// Whether a call instruction ends at `address`: `call rel32`, or `call r/m64` of two, three, six or seven bytes.
  private func isBehindCall(_ address: GuestAddress, _ memory: MemoryManager) -> Bool {
    guard address.rawValue >= 7, let code = try? memory.copyIn(GuestAddress(address.rawValue - 7), 7) else { return false }
    if code[2] == 0xe8 { return true }
    // FF /2: mod and r/m say how long it is.
    for length in [2, 3, 6, 7] where code[7 - length] == 0xff {
      let modRM = code[8 - length]
      if modRM >> 3 & 7 != 2 { continue }
      let mode = modRM >> 6, hasSIB = mode != 3 && modRM & 7 == 4
      let displacement = mode == 1 ? 1 : mode == 2 || (mode == 0 && modRM & 7 == 5) ? 4 : 0
      if 2 + (hasSIB ? 1 : 0) + displacement == length { return true }
    }
    return false
  }
}

extension SignalInfo {
  /// The processor raised it, so that si_addr says where.
  fileprivate var isFault: Bool {
    guard code > 0, code != SignalCode.kernel else { return false }
    switch signal {
    case SignalNumber.ill, SignalNumber.fpe, SignalNumber.segv, SignalNumber.bus, SignalNumber.trap: return true
    default: return false
    }
  }
}
