// The host of one execution: files from the cache that all executions share, output kept, input from bytes.

import Kernel
import LinuxABI
import RecordReplay

/// Nothing of an execution reaches the host through this, and no signal comes from there.
public final class CapturingHost: HostView {
  /// What is kept of each output stream, in bytes; behind it comes a mark.
  public static let outputBytesMax = 1 << 20
  static let cutMark = Array("\n[replaysb: the rest of this output was cut]\n".utf8)

  private let cache: HostCache
  private let input: [UInt8]
  private let inputKind: HostStreamKind
  private var inputPosition: Int
  public private(set) var standardOutput: [UInt8]
  public private(set) var standardError: [UInt8]
  /// Terminal attributes that the guest set.
  private var attributes: [Int32: [UInt8]]

  /// Standard input is `input`; without any it is at its end, as /dev/null is.
  public init(_ cache: HostCache, input: CapturedInput? = nil) {
    self.cache = cache
    self.input = input?.bytes ?? []
    inputKind = input?.kind ?? .null
    inputPosition = 0
    standardOutput = []
    standardError = []
    attributes = [:]
  }

  /// For a branch: what was read, written and set so far stays.
  init(copying other: CapturingHost) {
    cache = other.cache
    input = other.input
    inputKind = other.inputKind
    inputPosition = other.inputPosition
    standardOutput = other.standardOutput
    standardError = other.standardError
    attributes = other.attributes
  }

  // MARK: Files

  public func status(_ path: [UInt8]) throws(Errno) -> HostFileStatus { try cache.status(path) }
  public func readLink(_ path: [UInt8]) throws(Errno) -> [UInt8] { try cache.readLink(path) }
  public func list(_ path: [UInt8]) throws(Errno) -> [HostEntry] { try cache.list(path) }
  public func content(_ path: [UInt8]) throws(Errno) -> [UInt8] { try cache.content(path) }
  public func content(_ path: [UInt8], offset: Int64, count: Int) throws(Errno) -> [UInt8] {
    try cache.content(path, offset: offset, count: count)
  }
  public func isAccessible(_ path: [UInt8], mode: Int32) -> Bool { cache.isAccessible(path, mode: mode) }

  // MARK: Streams

  public func streamKind(_ descriptor: Int32) -> HostStreamKind {
    descriptor == 0 ? inputKind : cache.streamKind(descriptor)
  }

  public func readInput(_ count: Int) throws(Errno) -> HostInput {
    if inputPosition == input.count { return .endOfFile }
    let end = min(input.count, inputPosition + count)
    defer { inputPosition = end }
    return .bytes(Array(input[inputPosition..<end]))
  }
  public func inputIsReady() -> Bool { true }
  public func waitForInput() {}

  public func writeOutput(_ descriptor: Int32, _ bytes: ArraySlice<UInt8>) throws(Errno) {
    if descriptor == 2 { Self.append(bytes, to: &standardError) } else { Self.append(bytes, to: &standardOutput) }
  }

  private static func append(_ bytes: ArraySlice<UInt8>, to kept: inout [UInt8]) {
    let room = outputBytesMax - kept.count
    // Full, and marked.
    if room < 0 || bytes.isEmpty { return }
    kept += bytes.prefix(room)
    if bytes.count > room { kept += cutMark }
  }

  public func terminalSize(_ descriptor: Int32) -> (rows: UInt16, columns: UInt16)? { cache.terminalSize(descriptor) }
  public func terminalAttributes(_ descriptor: Int32) -> [UInt8]? {
    attributes[descriptor] ?? cache.terminalAttributes(descriptor)
  }
  public func setTerminalAttributes(_ descriptor: Int32, _ bytes: [UInt8], when: Int32) throws(Errno) {
    if cache.terminalAttributes(descriptor) == nil { throw .ENOTTY }
    attributes[descriptor] = bytes
  }
  public func takeSignal() -> Int? { nil }
  /// The user's second Ctrl-C ends an execution as it ends a run.
  public var endIsRequested: Bool { cache.host.endIsRequested }
}
