// Names of traces that the user did not name: the newest is always `trace.zst`, older ones keep a number.
import CLinux

public enum TraceNaming {
  /// The newest trace of a directory.
  public static let newest = "trace.zst"
  static let numberLimit = 1_000_000

  /// Makes room for a new `trace.zst` in `directory` ("" is the current one): an existing one moves, with its journal,
  /// to `trace-N.zst`, where N is one more than the highest number in use, so that numbers once given stay and the
  /// highest is the latest displaced. Returns the path for the new trace.
  ///
  /// Numbers in use are found by doubling and halving, so a gap left by a deleted trace may be filled.
  public static func makeRoom(in directory: String = "") throws(TraceError) -> String {
    let prefix = directory.isEmpty || directory.hasSuffix("/") ? directory : directory + "/"
    let path = prefix + newest
    if try !exists(path) { return path }
    var number = try firstFree(prefix)
    while true {
      let target = prefix + "trace-\(number).zst"
      let result = rsb_tracefile_rename(path, target)
      if result == -17 /* EEXIST: another recorder was faster */, number < numberLimit {
        number += 1
        continue
      }
      if result < 0 { throw FrameWriter.error("cannot move the last trace to \(target)", path, result) }
      if try exists(path + ".journal") { _ = rsb_tracefile_rename(path + ".journal", target + ".journal") }
      return path
    }
  }

  private static func firstFree(_ prefix: String) throws(TraceError) -> Int {
    var high = 1
    while try exists(prefix + "trace-\(high).zst") {
      high *= 2
      if high > numberLimit { throw TraceError(.outOfRange, "too many traces in one directory", path: prefix) }
    }
    var low = high / 2
    while high - low > 1 {
      let middle = (low + high) / 2
      if try exists(prefix + "trace-\(middle).zst") { low = middle } else { high = middle }
    }
    return high
  }

  private static func exists(_ path: String) throws(TraceError) -> Bool {
    let result = rsb_tracefile_exists(path)
    if result < 0 { throw FrameWriter.error("cannot look for older traces", path, result) }
    return result == 1
  }
}
