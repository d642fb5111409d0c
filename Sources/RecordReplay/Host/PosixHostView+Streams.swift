// Standard streams: input from the host or captured once, output passed through or kept.

import CLinux
import Kernel
import LinuxABI

/// Where the guest's standard input comes from.
public enum InputStream {
  /// The tool's own descriptor 0.
  case descriptor
  /// Bytes that were read before (`verify`), shown as this kind of stream.
  case captured(CapturedInput)
}

/// Input that was read once, for several runs.
public final class CapturedInput {
  public let bytes: [UInt8]
  public let kind: HostStreamKind
  private var position = 0

  public init(bytes: [UInt8], kind: HostStreamKind) {
    self.bytes = bytes
    self.kind = kind
  }

  /// The next run starts from the beginning.
  public func rewind() { position = 0 }

  func read(_ count: Int) -> HostInput {
    if position == bytes.count { return .endOfFile }
    let end = min(bytes.count, position + count)
    defer { position = end }
    return .bytes(Array(bytes[position..<end]))
  }

  /// Reads the tool's standard input to its end. A terminal counts as empty: nobody could type the same twice.
  public static func fromStandardInput() -> CapturedInput {
    let kind = streamKind(ofHost: 0)
    if kind == .terminal || kind == .null || kind == .closed {
      return CapturedInput(bytes: [], kind: kind == .closed ? .closed : .null)
    }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = rsb_host_read(0, &chunk, chunk.count)
      if count == -4 { continue }
      if count <= 0 { break }
      bytes += chunk.prefix(count)
    }
    return CapturedInput(bytes: bytes, kind: kind)
  }
}

/// What happens to the guest's output.
public enum OutputPolicy {
  /// Written to the tool's own streams.
  case passThrough
  /// Kept for comparison (`verify`).
  case keep(KeptOutput)
}

/// Everything that a run wrote, by stream.
public final class KeptOutput {
  public private(set) var standardOutput: [UInt8] = []
  public private(set) var standardError: [UInt8] = []
  public init() {}
  func append(_ descriptor: Int32, _ bytes: ArraySlice<UInt8>) {
    if descriptor == 2 { standardError += bytes } else { standardOutput += bytes }
  }
  /// Passes everything to the tool's own streams.
  public func writeOut() {
    _ = writeAll(1, standardOutput[...])
    _ = writeAll(2, standardError[...])
  }
}

/// What stands behind a host descriptor, by kind alone.
func streamKind(ofHost descriptor: Int32) -> HostStreamKind {
  var status = rsb_host_status()
  if rsb_host_status_get(descriptor, nil, &status) < 0 { return .closed }
  switch status.mode & 0o170000 {
  case 0o100000: return .file
  case 0o020000: return rsb_host_is_terminal(descriptor) == 1 ? .terminal : .null
  default: return .pipe
  }
}

extension PosixHostView {
  public func streamKind(_ descriptor: Int32) -> HostStreamKind {
    if descriptor == 0, case .captured(let captured) = input { return captured.kind }
    return RecordReplay.streamKind(ofHost: descriptor)
  }

  public func readInput(_ count: Int) throws(Errno) -> HostInput {
    if case .captured(let captured) = input { return captured.read(count) }
    if !inputIsReady() { return .notReady }
    let (bytes, error) = readOnce(0, count: count)
    // Somebody else took what was there; the second, when a signal ended the wait for more.
    if error == -11 || error == -4 { return .notReady }
    try check(error)
    return bytes.isEmpty && count > 0 ? .endOfFile : .bytes(bytes)
  }

  public func inputIsReady() -> Bool {
    if case .captured = input { return true }
    return rsb_host_poll(0, 0, 0) > 0
  }

  public func waitForInput() {
    if case .captured = input { return }
    _ = rsb_host_poll_or_signal(0)
  }

  public func writeOutput(_ descriptor: Int32, _ bytes: ArraySlice<UInt8>) throws(Errno) {
    switch outputs {
    case .passThrough:
      let result = writeAll(descriptor, bytes)
      if result < 0 { throw Errno(rawValue: -result) }
    case .keep(let kept): kept.append(descriptor, bytes)
    }
  }

  public func terminalSize(_ descriptor: Int32) -> (rows: UInt16, columns: UInt16)? {
    var rows: UInt16 = 0
    var columns: UInt16 = 0
    return rsb_host_window_size(descriptor, &rows, &columns) < 0 ? nil : (rows, columns)
  }

  public func terminalAttributes(_ descriptor: Int32) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: 36)
    return rsb_host_terminal_get(descriptor, &bytes) < 0 ? nil : bytes
  }

  public func setTerminalAttributes(_ descriptor: Int32, _ bytes: [UInt8], when: Int32) throws(Errno) {
    guard bytes.count == 36, (0...2).contains(when) else { throw .EINVAL }
    try check(rsb_host_terminal_set(descriptor, when, bytes))
  }
}
