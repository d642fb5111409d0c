// The header in bytes: fields as (number, length, bytes), so that a later version can add one.

extension TraceHeader {
  private enum Field: UInt64 {
    case toolVersion = 1, engine, tickDefinition, cpuFingerprint, seed, epochNanoseconds, scheduler, guestCPUCount
    case argument, workingDirectory, environmentName, withheldName, option, search
  }

  /// Most bytes of an encoded header: larger ones are refused on both sides.
  static let encodedLimit = 4 << 20

  func encoded() -> [UInt8] {
    var out: [UInt8] = []
    func number(_ value: UInt64) {
      var rest = value
      while rest >= 0x80 {
        out.append(UInt8(truncatingIfNeeded: rest) | 0x80)
        rest >>= 7
      }
      out.append(UInt8(rest))
    }
    func text(_ field: Field, _ value: String) {
      number(field.rawValue)
      number(UInt64(value.utf8.count))
      out.append(contentsOf: value.utf8)
    }
    func integer(_ field: Field, _ value: UInt64) {
      number(field.rawValue)
      number(8)
      for i in 0..<8 { out.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * i))) }
    }
    text(.toolVersion, toolVersion)
    text(.engine, engine)
    integer(.tickDefinition, UInt64(tickDefinition))
    text(.cpuFingerprint, cpuFingerprint)
    integer(.seed, seed)
    integer(.epochNanoseconds, epochNanoseconds)
    text(.scheduler, scheduler)
    integer(.guestCPUCount, UInt64(guestCPUCount))
    for argument in arguments { text(.argument, argument) }
    text(.workingDirectory, workingDirectory)
    for name in environmentNames { text(.environmentName, name) }
    for name in withheldNames { text(.withheldName, name) }
    for option in options { text(.option, option) }
    if let search {
      let bytes = search.encoded()
      number(Field.search.rawValue)
      number(UInt64(bytes.count))
      out.append(contentsOf: bytes)
    }
    return out
  }

  init(from source: inout ByteSource) throws(DecodeFailure) {
    self.init()
    while source.remaining > 0 {
      let number = try source.varint()
      let bytes = try source.raw(try source.itemCount("a header field's length"))
      guard let field = Field(rawValue: number) else { continue }
      let text = String(decoding: bytes, as: UTF8.self)
      var value: UInt64 = 0
      if bytes.count == 8 { for i in 0..<8 { value |= UInt64(bytes[i]) << UInt64(8 * i) } }
      switch field {
      case .toolVersion: toolVersion = text
      case .engine: engine = text
      case .tickDefinition: tickDefinition = UInt32(truncatingIfNeeded: value)
      case .cpuFingerprint: cpuFingerprint = text
      case .seed: seed = value
      case .epochNanoseconds: epochNanoseconds = value
      case .scheduler: scheduler = text
      case .guestCPUCount: guestCPUCount = UInt32(truncatingIfNeeded: value)
      case .argument: arguments.append(text)
      case .workingDirectory: workingDirectory = text
      case .environmentName: environmentNames.append(text)
      case .withheldName: withheldNames.append(text)
      case .option: options.append(text)
      case .search:
        var inner = ByteSource(bytes)
        search = try SearchNote(from: &inner)
      }
    }
  }
}
