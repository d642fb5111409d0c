// Numbers as bytes, for what a search knows and would be long as JSON: seven bits a byte (LEB128), and an instruction's address only
// where it is met first, since there are few of them and they come again and again.

import Kernel
import Platform

/// What was saved is not what was written: another version's, or broken.
struct BrokenSearch: Error {}

struct NumberWriter {
  private(set) var bytes: [UInt8] = []
  private var known: [GuestAddress: Int] = [:]

  mutating func add(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
  /// At least 0.
  mutating func add(_ value: Int) { add(UInt64(value)) }
  mutating func add(_ value: UInt32) { add(UInt64(value)) }
  mutating func add(_ value: Bool) { add(value ? 1 as UInt64 : 0) }
  mutating func add(_ value: TaskID) { add(UInt64(UInt32(bitPattern: value.rawValue))) }

  mutating func add(_ address: GuestAddress) {
    if let index = known[address] { return add(index) }
    add(known.count)
    add(address.rawValue)
    known[address] = known.count
  }

  mutating func add(_ value: some Packed) { value.write(to: &self) }

  mutating func add(_ values: [some Packed]) {
    add(values.count)
    for value in values { value.write(to: &self) }
  }

  mutating func add(_ value: (some Packed)?) {
    add(value != nil)
    if let value { value.write(to: &self) }
  }
}

struct NumberReader {
  private let bytes: [UInt8]
  private var position = 0
  private var known: [GuestAddress] = []

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var isAtEnd: Bool { position == bytes.count }

  mutating func number() throws(BrokenSearch) -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: 0 as UInt64, to: 64, by: 7) {
      guard position < bytes.count else { throw BrokenSearch() }
      let byte = bytes[position]
      position += 1
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return value }
    }
    throw BrokenSearch()
  }

  mutating func integer() throws(BrokenSearch) -> Int {
    guard let value = Int(exactly: try number()) else { throw BrokenSearch() }
    return value
  }
  mutating func word() throws(BrokenSearch) -> UInt32 {
    guard let value = UInt32(exactly: try number()) else { throw BrokenSearch() }
    return value
  }
  mutating func flag() throws(BrokenSearch) -> Bool {
    let value = try number()
    if value > 1 { throw BrokenSearch() }
    return value == 1
  }
  mutating func task() throws(BrokenSearch) -> TaskID { TaskID(Int32(bitPattern: try word())) }

  mutating func address() throws(BrokenSearch) -> GuestAddress {
    let index = try integer()
    if index < known.count { return known[index] }
    guard index == known.count else { throw BrokenSearch() }
    let address = GuestAddress(rawValue: try number())
    known.append(address)
    return address
  }

  /// A number of things that follow, each of at least a byte.
  mutating func count() throws(BrokenSearch) -> Int {
    let count = try integer()
    guard count <= bytes.count - position else { throw BrokenSearch() }
    return count
  }

  mutating func one<Value: Packed>(_: Value.Type = Value.self) throws(BrokenSearch) -> Value { try Value(from: &self) }

  mutating func all<Value: Packed>(_: Value.Type = Value.self) throws(BrokenSearch) -> [Value] {
    var values: [Value] = []
    for _ in 0..<(try count()) { values.append(try Value(from: &self)) }
    return values
  }

  mutating func maybe<Value: Packed>(_: Value.Type = Value.self) throws(BrokenSearch) -> Value? {
    try flag() ? try Value(from: &self) : nil
  }
}

/// What can be written as numbers and read again, the same.
protocol Packed {
  func write(to writer: inout NumberWriter)
  init(from reader: inout NumberReader) throws(BrokenSearch)
}

extension Packed {
  var packed: [UInt8] {
    var writer = NumberWriter()
    write(to: &writer)
    return writer.bytes
  }

  init(packed bytes: [UInt8]) throws(BrokenSearch) {
    var reader = NumberReader(bytes)
    try self.init(from: &reader)
    if !reader.isAtEnd { throw BrokenSearch() }
  }
}
