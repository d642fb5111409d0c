// The common command lines, read without ArgumentParser: building its tables takes it longer than a short program runs.
//
// What is read here is read as the library would read it, and the commands' own checks are made; everything else, all
// mistakes among it, is left to the library: `Tests/Robustness/command_lines.py` compares both.

import ArgumentParser

/// A line of a frequent command with its frequent options, each at most once and with its value as a word of its own.
enum PlainLine {
  /// What to do; nil for a line that ArgumentParser must read.
  static func request(_ words: ArraySlice<String>) -> (any CommandRequest)? {
    guard let name = words.first, !words.contains(where: isLibraryRequest) else { return nil }
    var line = Line(words: words.dropFirst())
    switch name {
    case "record": return record(&line)
    case "run":
      return guest(&line).flatMap { checked(RunRequest(guest: $0)) }
    case "replay": return replay(&line)
    default: return nil
    }
  }

  /// Whether the library looks for this word wherever it stands.
  private static func isLibraryRequest(_ word: String) -> Bool {
    if word == "-h" || word == "--version" || word == "--experimental-dump-help" { return true }
    return word.hasPrefix("--help") || word.hasPrefix("-help") || word.hasPrefix("--generate-completion") || word.hasPrefix("---")
  }

  private static func record(_ line: inout Line) -> (any CommandRequest)? {
    var output: String?
    let guest = guest(&line) { (word, line) in
      guard word == "-o" || word == "--output" else { return false }
      output = line.value()
      return output != nil
    }
    return guest.flatMap { checked(RecordRequest(output: output, guest: $0)) }
  }

  private static func replay(_ line: inout Line) -> (any CommandRequest)? {
    var request = ReplayRequest()
    while let word = line.option() {
      switch word {
      case "-q", "--quiet": request.quiet = true
      case "-v", "--verbose": request.verbose = true
      default: return nil
      }
    }
    guard line.isSound, line.words.count <= 1 else { return nil }
    if let trace = line.words.first {
      if trace.isEmpty || trace == "--" { return nil }
      request.trace = trace
    }
    return checked(request)
  }

  /// Options of a guest and its program line; `own` takes an option of the command's own, and says whether it was one.
  private static func guest(_ line: inout Line, own: (String, inout Line) -> Bool = { _, _ in false }) -> GuestSettings? {
    var guest = GuestSettings()
    while let word = line.option() {
      switch word {
      case "-q", "--quiet": guest.quiet = true
      case "-v", "--verbose": guest.verbose = true
      case "--seed":
        guard let value = line.value().flatMap(UInt64.init(argument:)) else { return nil }
        guest.seed = value
      case "--epoch":
        guard let value = line.value().flatMap(Int64.init(argument:)) else { return nil }
        guest.epoch = value
      case "-C":
        guard let value = line.value() else { return nil }
        guest.directory = value
      default:
        if !own(word, &line) { return nil }
      }
    }
    guard line.isSound else { return nil }
    guest.command = Array(line.words)
    do { try guest.validate() } catch { return nil }
    return guest
  }

  private static func checked(_ request: some CommandRequest) -> (any CommandRequest)? {
    do { try request.validate() } catch { return nil }
    return request
  }

  /// Words that were not read yet.
  private struct Line {
    var words: ArraySlice<String>
    private var seen: [String] = []
    /// False when an option came twice, by any of its names.
    private(set) var isSound = true

    init(words: ArraySlice<String>) { self.words = words }

    /// Takes the next word if it is an option.
    mutating func option() -> String? {
      guard let word = words.first, word.hasPrefix("-"), word != "--", word != "-" else { return nil }
      words.removeFirst()
      // No two options that are read here have the same first letter.
      let short = String(word.drop { $0 == "-" }.prefix(1))
      if seen.contains(short) { isSound = false }
      seen.append(short)
      return word
    }

    /// Takes an option's value; nil where the library may see none.
    mutating func value() -> String? {
      guard let word = words.first, !word.isEmpty, !word.hasPrefix("-") else { return nil }
      words.removeFirst()
      return word
    }
  }
}
