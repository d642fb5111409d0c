// The first line of a `#!` script: fs/binfmt_script.c, execve(2).

import LinuxABI

struct ScriptLine: Hashable {
  var interpreter: [UInt8]
  /// Everything behind the interpreter's name, as one argument.
  var argument: [UInt8]?

  /// BINPRM_BUF_SIZE: how much of a file is looked at.
  static let bytesMax = 256

  /// nil: no script, or a line that names no interpreter (ENOEXEC).
  init?(_ start: [UInt8]) {
    guard start.count >= 2, start[0] == UInt8(ascii: "#"), start[1] == UInt8(ascii: "!") else { return nil }
    let isBlank: (UInt8) -> Bool = { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
    let head = start.prefix(Self.bytesMax)
    // A NUL ends the line as a newline does.
    let lineEnd = head.firstIndex { $0 == UInt8(ascii: "\n") || $0 == 0 }
    let whole = lineEnd != nil || start.count < Self.bytesMax
    var line = head[2..<(lineEnd ?? head.endIndex)]
    line = line.drop(while: isBlank)
    let name = line.prefix { !isBlank($0) }
    // A name that may go on behind what was read is not used.
    if name.isEmpty || (!whole && name.endIndex == line.endIndex) { return nil }
    interpreter = Array(name)
    var rest = line[name.endIndex...].drop(while: isBlank)
    while let last = rest.last, isBlank(last) { rest.removeLast() }
    argument = rest.isEmpty ? nil : Array(rest)
  }
}
