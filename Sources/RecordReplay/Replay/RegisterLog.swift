// What the guest's registers were at each event of a replay, as text: what the oracle test compares, and shows of a difference.

import CLinux
import Platform

/// One line for each event: its number, task, trap, ticks, the bytes of code at rip, the registers, and a hash of the extended
/// state.
final class RegisterLog {
  let events: ClosedRange<UInt64>
  private let descriptor: Int32
  private var pending: [UInt8] = []
  private static let pendingMax = 1 << 18

  init(_ path: String, _ events: ClosedRange<UInt64>) throws(SessionError) {
    self.events = events
    let createAndTruncate: Int32 = 0o1101
    descriptor = Int32(path.withCString { rsb_host_open($0, createAndTruncate, 0o644) })
    if descriptor < 0 { throw SessionError("\(path): \(describeHostError(-descriptor))") }
  }

  func add(
    _ event: UInt64, task: Int32, _ trap: Trap, _ registers: Registers, _ ticks: Ticks, code: [UInt8], extendedState: [UInt8]
  ) {
    func hex(_ value: UInt64) -> String { String(value, radix: 16) }
    var line = "event=\(event) task=\(task) trap=\(TrapText.describe(trap).split(separator: " ").joined(separator: "_"))"
    line += " ticks=\(ticks.rawValue) code="
    for byte in code { line += (byte < 16 ? "0" : "") + hex(UInt64(byte)) }
    let words = registers.words
    for (index, name) in Registers.names.enumerated() { line += " \(name)=\(hex(words[index]))" }
    // FNV-1a.
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in extendedState { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    pending += (line + " extended=\(hex(hash))\n").utf8
    if pending.count >= Self.pendingMax { flush() }
  }

  private func flush() {
    _ = writeAll(descriptor, pending[...])
    pending.removeAll(keepingCapacity: true)
  }

  func close() {
    flush()
    _ = rsb_host_close(descriptor)
  }
}
