// `verify`: records a program twice and replays it once; everything must agree.

import CLinux
import Trace

/// What a verification found.
public struct VerifyResult: Sendable {
  public var first: RunResult
  public var second: RunResult
  public var replay: ReplayResult
  /// Every disagreement in words; empty when the program is deterministic here.
  public var problems: [String] = []
  public var traceBytes = 0
}

public enum VerifySession {
  /// `directory` receives two temporary traces, which go at the end unless they differ.
  public static func verify(
    _ options: RunOptions, input: CapturedInput, directory: String, progress: (String) -> Void
  ) throws(SessionError) -> VerifyResult {
    var options = options
    let name = "\(directory)/replaysb-verify-\(rsb_host_process())"
    let paths = ["\(name)-1.zst", "\(name)-2.zst"]
    for path in paths {
      options.hidden.hideOwn(path)
      options.hidden.hideOwn(path + ".journal")
    }
    var keeps = false
    defer { if !keeps { for path in paths { _ = rsb_host_unlink(path) } } }

    var results: [RunResult] = []
    var outputs: [KeptOutput] = []
    for (index, path) in paths.enumerated() {
      progress("recording \(index + 1) of 2")
      input.rewind()
      let output = KeptOutput()
      results.append(
        try RecordSession.record(options, to: path, input: .captured(input), outputs: .keep(output)))
      outputs.append(output)
    }
    progress("replaying")
    let replayed = KeptOutput()
    let replay = try ReplaySession.replay(ReplayOptions(path: paths[0]), outputs: .keep(replayed))

    var result = VerifyResult(first: results[0], second: results[1], replay: replay)
    let bytes = try paths.map { (path) throws(SessionError) in try contents(path) }
    result.traceBytes = bytes[0].count
    compare(&result, outputs, replayed)
    if bytes[0] != bytes[1] {
      result.problems.append(
        "the two recordings differ: " + (firstDifference(paths) ?? "in their compressed form only")
          + " (kept as \(paths[0]) and \(paths[1]))")
      keeps = true
    }
    _ = writeAll(1, outputs[0].standardOutput[...])
    _ = writeAll(2, outputs[0].standardError[...])
    return result
  }

  private static func compare(_ result: inout VerifyResult, _ outputs: [KeptOutput], _ replayed: KeptOutput) {
    func check(_ same: Bool, _ problem: String) { if !same { result.problems.append(problem) } }
    check(result.first.end == result.second.end, "the two recordings ended differently")
    check(outputs[0].standardOutput == outputs[1].standardOutput, "the two recordings differ in standard output")
    check(outputs[0].standardError == outputs[1].standardError, "the two recordings differ in standard error")
    check(outputs[0].standardOutput == replayed.standardOutput, "the replay differs in standard output")
    check(outputs[0].standardError == replayed.standardError, "the replay differs in standard error")
    if let divergence = result.replay.divergence { result.problems.append(divergence.description) }
    if case .exited(let status) = result.first.end {
      check(result.replay.status == status, "the replay ended with another status")
    }
    check(!result.replay.isTruncated, "the trace has no end")
  }

  /// The first record in which two traces differ.
  private static func firstDifference(_ paths: [String]) -> String? {
    guard let one = try? TraceReader(path: paths[0]), let two = try? TraceReader(path: paths[1]) else { return nil }
    if one.header != two.header { return "in their headers" }
    while true {
      guard let a = try? one.next(), let b = try? two.next() else { return nil }
      if a != b {
        return "after event \(one.lastEvent):\n  first:  \(RecordText.line(a))\n  second: \(RecordText.line(b))"
      }
    }
  }

  private static func contents(_ path: String) throws(SessionError) -> [UInt8] {
    let descriptor = Int32(withPath(Array(path.utf8)) { rsb_host_open($0, 0, 0) })
    if descriptor < 0 { throw SessionError("\(path): \(describeHostError(-descriptor))") }
    defer { _ = rsb_host_close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let count = rsb_host_read(descriptor, &chunk, chunk.count)
      if count <= 0 { return bytes }
      bytes += chunk.prefix(count)
    }
  }
}
