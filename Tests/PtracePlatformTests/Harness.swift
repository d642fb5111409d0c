// Tiny guests in machine code on a real machine. Each test's machine lives on a thread of its own, whose clock is
// trapped, so failures are collected there and reported afterwards.
import CLinux
import LinuxABI
import Platform
import PtracePlatform
import Testing

final class Checks {
  private(set) var failures: [String] = []
  func check(_ condition: Bool, _ what: @autoclosure () -> String, line: Int = #line) {
    if !condition { failures.append("line \(line): \(what())") }
  }
  func equal<T: Equatable>(_ a: T, _ b: T, _ what: String = "", line: Int = #line) {
    if a != b { failures.append("line \(line): \(what) \("\(a)".prefix(200)) is not \("\(b)".prefix(200))") }
  }
}

let code: UInt64 = 0x40_0000
let data: UInt64 = 0x50_0000
let stackTop: UInt64 = 0x60_1000
let page: UInt64 = 4096

func range(_ start: UInt64, pages: UInt64 = 1) -> GuestRange {
  GuestRange(GuestAddress(start), GuestAddress(start + pages * page))
}

/// A machine with helpers to build guests.
final class Bench {
  let machine: PtraceMachine
  let checks: Checks
  private var lastContext: UInt32 = 0
  private var lastSpace: UInt32 = 0

  init(_ checks: Checks, _ configuration: PtraceMachine.Configuration = .init()) throws {
    machine = try PtraceMachine(configuration)
    self.checks = checks
  }

  func nextSpace() -> AddressSpaceID {
    lastSpace += 1
    return AddressSpaceID(rawValue: lastSpace)
  }

  /// A space with code, a data page and a stack page.
  func space(_ bytes: [UInt8]) throws -> AddressSpaceID {
    let id = nextSpace()
    try machine.createAddressSpace(id)
    try machine.map(id, range(code), [.read, .write, .execute], .anonymous)
    try machine.map(id, range(data), [.read, .write], .anonymous)
    try machine.map(id, range(stackTop - page), [.read, .write], .anonymous)
    checks.equal(try machine.write(id, GuestAddress(code), bytes[...]), bytes.count, "code written")
    return id
  }

  func context(_ space: AddressSpaceID, copy: ExecutionContext? = nil) throws -> ExecutionContext {
    lastContext += 1
    var registers = Registers()
    registers.rip = code
    registers.rsp = stackTop - 64
    let context = ExecutionContext(id: ContextID(rawValue: lastContext), space: space, registers: registers)
    try machine.createContext(context.id, extendedState: copy.map { .copy(of: $0.id) } ?? .initial)
    return context
  }

  /// One guest with this code, run to its first trap.
  func firstTrap(_ bytes: [UInt8], _ prepare: (inout Registers) -> Void = { _ in }) throws -> (Trap, ExecutionContext) {
    let context = try context(try space(bytes))
    prepare(&context.registers)
    return (try machine.run(context, limit: RunLimit(wallSeconds: 5)), context)
  }

  func run(_ context: ExecutionContext) throws -> Trap {
    try machine.run(context, limit: RunLimit(wallSeconds: 5))
  }
}

/// Runs `body` on a thread that may trace; what it throws and what its checks find are the test's issues.
func withChecks(_ body: (Checks) throws -> Void) {
  let failures = onTracerThread { () -> [String] in
    let checks = Checks()
    do { try body(checks) } catch { checks.check(false, "threw \(error)") }
    return checks.failures
  }
  for failure in failures { Issue.record("\(failure)") }
}

func withBench(_ body: (Bench) throws -> Void) {
  withChecks { checks in
    let bench = try Bench(checks)
    defer { bench.machine.shutdown() }
    try body(bench)
  }
}

func littleEndian<T: FixedWidthInteger>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }

/// Just enough of an assembler.
enum Asm {
  static let syscall: [UInt8] = [0x0f, 0x05]
  static func rax(_ value: UInt32) -> [UInt8] { [0xb8] + littleEndian(value) }
  static func rdi(_ value: UInt64) -> [UInt8] { [0x48, 0xbf] + littleEndian(value) }
  static func rsi(_ value: UInt64) -> [UInt8] { [0x48, 0xbe] + littleEndian(value) }
  static func rcx(_ value: UInt64) -> [UInt8] { [0x48, 0xb9] + littleEndian(value) }
  /// mov rax, [rdi]
  static let loadRax: [UInt8] = [0x48, 0x8b, 0x07]
  /// mov [rdi], rsi
  static let storeRsi: [UInt8] = [0x48, 0x89, 0x37]
  static func jump(_ displacement: Int8) -> [UInt8] { [0xeb, UInt8(bitPattern: displacement)] }
  /// mov eax, 110 (getppid); syscall; jmp back
  static let getppidLoop: [UInt8] = rax(110) + syscall + jump(-9)
}
