// Reports of sanitizers on standard error: compiler-rt's and GCC's libsanitizer, which write the same, and Go's race detector.
// A program with UBSan ends with 0 all the same unless it was built with -fno-sanitize-recover.

/// Finds a report and what it is about.
enum SanitizerReport {
  /// The first report's headline without what differs from run to run ("AddressSanitizer: heap-use-after-free"); nil when there
  /// is none.
  static func headline(in output: [UInt8]) -> String? {
    var start = output.startIndex
    while start < output.endIndex {
      let end = output[start...].firstIndex(of: UInt8(ascii: "\n")) ?? output.endIndex
      if let found = headline(ofLine: output[start..<end]) { return found }
      start = end + 1
    }
    return nil
  }

  private static func headline(ofLine line: ArraySlice<UInt8>) -> String? {
    // Nearly all lines are none of these: bytes before text.
    if line.count > 1000 { return nil }
    if let message = line.after("runtime error: "), line.isRuntimeError {
      // Its first part: what follows a colon are the values.
      return "UndefinedBehaviorSanitizer: " + settled(message.before(": "))
    }
    if line.elementsEqual("WARNING: DATA RACE".utf8) { return "Go race detector: data race" }
    guard let report = line.after("ERROR: ") ?? line.after("WARNING: "), let message = report.after("Sanitizer: ") else {
      return nil
    }
    let name = report.prefix(report.count - message.count - 2)
    guard name.allSatisfy(\.isLetter) else { return nil }
    return String(decoding: name, as: UTF8.self) + ": " + settled(message.before(" on ").before(" (").before(": "))
  }

  /// Text without numbers, which differ: addresses, sizes, indices.
  private static func settled(_ bytes: ArraySlice<UInt8>) -> String {
    let words = bytes.split(separator: UInt8(ascii: " ")).map { word -> String in
      if word.starts(with: "0x".utf8) { return "0x..." }
      var text = "", isNumber = false
      for byte in word {
        if !byte.isDigit { text.unicodeScalars.append(Unicode.Scalar(byte)) } else if !isNumber { text += "N" }
        isNumber = byte.isDigit
      }
      // Types and names have digits that mean something: int32_t, v8.
      return word.first.map { $0.isLetter || $0 == UInt8(ascii: "'") } == true ? String(decoding: word, as: UTF8.self) : text
    }
    return words.joined(separator: " ")
  }
}

extension UInt8 {
  fileprivate var isDigit: Bool { self >= 0x30 && self <= 0x39 }
  fileprivate var isLetter: Bool { self | 0x20 >= 0x61 && self | 0x20 <= 0x7a }
}

extension ArraySlice<UInt8> {
  /// Where `text` begins first.
  private func position(of text: String) -> Int? {
    let wanted = Array(text.utf8)
    guard count >= wanted.count else { return nil }
    for start in startIndex...(endIndex - wanted.count)
    where self[start] == wanted[0] && self[start..<start + wanted.count].elementsEqual(wanted) {
      return start
    }
    return nil
  }

  fileprivate func after(_ text: String) -> ArraySlice? { position(of: text).map { self[($0 + text.utf8.count)...] } }
  fileprivate func before(_ text: String) -> ArraySlice { position(of: text).map { self[..<$0] } ?? self }

  /// "file:line:column: runtime error: ", or "<unknown>: " where nothing is known: the program may write the words itself.
  fileprivate var isRuntimeError: Bool {
    let place = before(": runtime error: ")
    if place.count == count { return false }
    if place.elementsEqual("<unknown>".utf8) { return true }
    let parts = place.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
    return parts.count >= 2 && !parts.last!.isEmpty && parts.last!.allSatisfy(\.isDigit)
  }
}
