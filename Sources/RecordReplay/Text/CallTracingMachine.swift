// `--strace`: each syscall and fault as a line on the tool's standard error, as it happens.

import CLinux
import LinuxABI
import Platform
import Trace

/// A machine that prints what passes. A call's result is what rax holds when its context runs again.
final class CallTracingMachine: Machine {
  private let inner: any Machine
  /// What each context is in, by id: the line so far and the call's number.
  private var open: [(line: String, number: UInt64)?] = []

  init(_ inner: any Machine) { self.inner = inner }

  private func print(_ line: String) { _ = writeAll(2, Array((line + "\n").utf8)[...]) }

  private func slot(_ id: ContextID) -> Int {
    while open.count <= Int(id.rawValue) { open.append(nil) }
    return Int(id.rawValue)
  }

  func run(_ context: ExecutionContext, limit: RunLimit) throws(MachineError) -> Trap {
    let index = slot(context.id)
    if let (line, number) = open[index] {
      print(line + " = " + SyscallText.result(context.registers.rax, of: number))
      open[index] = nil
    }
    let trap = try inner.run(context, limit: limit)
    let prefix = "[\(context.id.rawValue)] "
    switch trap {
    case .syscall:
      let call = SyscallText.call(SyscallWords(context.registers)) { [inner] address in
        Self.string(inner, context.space, address)
      }
      open[index] = (prefix + call, context.registers.origRax)
    default:
      let what = TrapText.describe(trap, ticks: inner.ticks(of: context.id))
      print(prefix + "--- \(what) at pc 0x\(String(context.registers.rip, radix: 16)) ---")
    }
    return trap
  }

  /// A string of the guest, as far as its first 256 bytes.
  private static func string(_ machine: any Machine, _ space: AddressSpaceID, _ address: GuestAddress) -> String? {
    guard let bytes = try? machine.read(space, address, 256), !bytes.isEmpty else { return nil }
    return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }

  func takeLocalEvents() -> [LocalEvent] { inner.takeLocalEvents() }
  func ticks(of context: ContextID) -> Ticks { inner.ticks(of: context) }
  func setProcessorAnswers(_ answers: [ProcessorAnswer]) { inner.setProcessorAnswers(answers) }
  func setClock(_ nanoseconds: Int64?) { inner.setClock(nanoseconds) }
  var clockReadings: UInt64 { inner.clockReadings }

  func createContext(_ id: ContextID, extendedState: ExtendedStateSource) throws(MachineError) {
    try inner.createContext(id, extendedState: extendedState)
  }
  func destroyContext(_ id: ContextID) {
    if let (line, _) = open[slot(id)] { print(line + " = ?") }
    open[slot(id)] = nil
    inner.destroyContext(id)
  }
  func extendedState(of context: ExecutionContext) throws(MachineError) -> [UInt8] {
    try inner.extendedState(of: context)
  }
  func setExtendedState(of context: ExecutionContext, _ bytes: [UInt8]) throws(MachineError) {
    try inner.setExtendedState(of: context, bytes)
  }
  func createAddressSpace(_ id: AddressSpaceID) throws(MachineError) { try inner.createAddressSpace(id) }
  func forkAddressSpace(_ parent: AddressSpaceID, as id: AddressSpaceID) throws(MachineError) {
    try inner.forkAddressSpace(parent, as: id)
  }
  func destroyAddressSpace(_ id: AddressSpaceID) { inner.destroyAddressSpace(id) }
  func map(
    _ space: AddressSpaceID, _ range: GuestRange, _ protection: Protection, _ source: MappingSource
  ) throws(MachineError) {
    try inner.map(space, range, protection, source)
  }
  func unmap(_ space: AddressSpaceID, _ range: GuestRange) throws(MachineError) { try inner.unmap(space, range) }
  func protect(_ space: AddressSpaceID, _ range: GuestRange, _ protection: Protection) throws(MachineError) {
    try inner.protect(space, range, protection)
  }
  func remap(_ space: AddressSpaceID, _ range: GuestRange, to target: GuestRange) throws(MachineError) {
    try inner.remap(space, range, to: target)
  }
  func discard(_ space: AddressSpaceID, _ range: GuestRange) throws(MachineError) { try inner.discard(space, range) }
  func read(_ space: AddressSpaceID, _ address: GuestAddress, _ count: Int) throws(MachineError) -> [UInt8] {
    try inner.read(space, address, count)
  }
  func write(
    _ space: AddressSpaceID, _ address: GuestAddress, _ bytes: ArraySlice<UInt8>
  ) throws(MachineError) -> Int {
    try inner.write(space, address, bytes)
  }
  func createObject(_ id: MemoryObjectID, size: UInt64) throws(MachineError) { try inner.createObject(id, size: size) }
  func createObject(_ id: MemoryObjectID, content: [UInt8]) throws(MachineError) {
    try inner.createObject(id, content: content)
  }
  func createObject(_ id: MemoryObjectID, content: any FileBytes) throws(MachineError) {
    try inner.createObject(id, content: content)
  }
  func destroyObject(_ id: MemoryObjectID) { inner.destroyObject(id) }
  func resizeObject(_ id: MemoryObjectID, size: UInt64) throws(MachineError) { try inner.resizeObject(id, size: size) }
  func readObject(_ id: MemoryObjectID, offset: UInt64, _ count: Int) throws(MachineError) -> [UInt8] {
    try inner.readObject(id, offset: offset, count)
  }
  func writeObject(_ id: MemoryObjectID, offset: UInt64, _ bytes: ArraySlice<UInt8>) throws(MachineError) {
    try inner.writeObject(id, offset: offset, bytes)
  }
}

/// Traps and signals in words.
enum TrapText {
  /// `ticks` of the task at the trap, where they are worth saying.
  static func describe(_ trap: Trap, ticks: Ticks? = nil) -> String {
    switch trap {
    case .syscall: "syscall"
    case .foreignSyscall: "foreign syscall"
    case .vsyscall: "vsyscall"
    case .fault(let fault): "\(signalName(Int32(fault.signal))) code \(fault.code) address \(fault.address)"
    case .instruction(let instruction, _): "\(instruction)"
    case .budget(let point): describe(point, ticks)
    case .unresponsive: "unresponsive"
    case .interrupted: "interrupted"
    }
  }

  /// Where a task was stopped: the tick, and how far behind it.
  private static func describe(_ point: StopPoint, _ ticks: Ticks?) -> String {
    var text = "preempted"
    if let ticks { text += " at tick \(ticks.rawValue)" }
    if point.instructions > 0 { text += " + \(point.instructions) instructions" }
    if point.updates > 0 {
      text += " inside update \(point.updates), which loaded 0x\(String(point.loadedValue, radix: 16))"
    }
    return text
  }

  private static let names = [
    "SIG0", "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGUSR1",
    "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP",
    "SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR",
    "SIGSYS",
  ]

  static func signalName(_ signal: Int32) -> String {
    if signal >= 0 && signal < names.count { return names[Int(signal)] }
    return signal >= 32 && signal <= 64 ? "SIGRT\(signal)" : "signal \(signal)"
  }

  /// How a process ended, from its wait status.
  static func ending(_ status: Int32) -> String {
    status & 0x7f == 0 ? "exit \(status >> 8 & 0xff)" : "killed by \(signalName(status & 0x7f))"
  }
}
