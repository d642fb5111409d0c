// Instructions for random guests, encoded in every way that they have: prefixes, REX bits that mean nothing, all kinds of
// memory operands, VEX in two and three bytes.

/// SplitMix64: a seed is the whole bug report.
struct Dice {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 ^ 0x1234_5678 }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }
  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
  mutating func chance(_ one: Int, in all: Int) -> Bool { below(all) < one }
  mutating func pick<T>(_ list: [T]) -> T { list[below(list.count)] }
  /// Numbers as programs have them.
  mutating func value() -> UInt64 {
    switch below(5) {
    case 0: UInt64(below(8))
    case 1: ~UInt64(below(4))
    // Not the end of user space: what a guest finds above its own memory is the platform's.
    case 2: 1 << UInt64(pick([below(47), 48 + below(16)]))
    case 3: next() & 0xffff_ffff
    default: next()
    }
  }
}

/// A memory operand, before it is known where its instruction ends.
struct MemoryForm {
  var base: Int?
  var index: Int?
  var scale = 0
  var displacement: Int32 = 0
  var short = false
  /// Of a form relative to rip.
  var target: UInt64?
}

enum OperandForm {
  case register(Int)
  case memory(MemoryForm)
}

struct Encoding {
  /// In front of everything: 66, 67, f2, f3, lock, fs, gs.
  var prefixes: [UInt8] = []
  var map = 0
  var opcode: UInt8
  var wide = false
  /// A REX prefix even where no bit is needed.
  var forcesREX = false
  /// A bit that the form ignores.
  var extraX = false
  var immediate: [UInt8] = []
  var vex: Vex?

  struct Vex {
    var pp: UInt8
    var second: Int
    var long: Bool
  }
}

struct GuestAssembler {
  let start: UInt64
  private(set) var bytes: [UInt8] = []
  var here: UInt64 { start + UInt64(bytes.count) }

  init(_ start: UInt64) { self.start = start }

  mutating func raw(_ new: [UInt8]) { bytes += new }
  mutating func patch8(_ value: UInt8, at offset: Int) { bytes[offset] = value }
  mutating func patch32(_ value: Int32, at offset: Int) { bytes.replaceSubrange(offset..<offset + 4, with: littleEndian(value)) }

  /// movabs $value, %register
  mutating func set(_ register: Int, _ value: UInt64) {
    raw([0x48 | UInt8(register >> 3), 0xb8 | UInt8(register & 7)] + littleEndian(value))
  }

  mutating func emit(_ encoding: Encoding, _ register: Int, _ operand: OperandForm) {
    var base = 0, index = 0
    var tail: [UInt8] = []
    var target: UInt64?
    let field = UInt8(register & 7) << 3
    switch operand {
    case .register(let number):
      base = number
      tail = [0xc0 | field | UInt8(number & 7)]
    case .memory(let form):
      base = form.base ?? 0
      index = form.index ?? 0
      target = form.target
      tail = Self.tail(form, field)
    }
    var head = encoding.prefixes
    let r = register >> 3 & 1, x = index >> 3 & 1 | (encoding.extraX ? 1 : 0), b = base >> 3 & 1
    if let vex = encoding.vex {
      let last = UInt8(~vex.second & 15) << 3 | (vex.long ? 4 : 0) | vex.pp
      if encoding.map == 1 && !encoding.wide && x == 0 && b == 0 && !encoding.forcesREX {
        head += [0xc5, UInt8(1 - r) << 7 | last]
      } else {
        head += [0xc4, UInt8(1 - r) << 7 | UInt8(1 - x) << 6 | UInt8(1 - b) << 5 | UInt8(encoding.map)]
        head.append((encoding.wide ? 0x80 : 0) | last)
      }
    } else {
      let rex = (encoding.wide ? 8 : 0) | UInt8(r << 2 | x << 1 | b)
      if rex != 0 || encoding.forcesREX { head.append(0x40 | rex) }
      if encoding.map >= 1 { head.append(0x0f) }
      if encoding.map == 2 { head.append(0x38) }
      if encoding.map == 3 { head.append(0x3a) }
    }
    head.append(encoding.opcode)
    if let target {
      let end = here + UInt64(head.count + tail.count + 4 + encoding.immediate.count)
      tail += littleEndian(Int32(truncatingIfNeeded: Int64(bitPattern: target &- end)))
    }
    raw(head + tail + encoding.immediate)
  }

  /// ModRM, SIB and displacement; of a form relative to rip the ModRM alone.
  private static func tail(_ form: MemoryForm, _ field: UInt8) -> [UInt8] {
    if form.target != nil { return [field | 5] }
    let displacement = form.short ? [UInt8(truncatingIfNeeded: form.displacement)] : littleEndian(form.displacement)
    guard let base = form.base else {
      let index = form.index.map { UInt8($0 & 7) } ?? 4
      return [field | 4, UInt8(form.scale) << 6 | index << 3 | 5] + littleEndian(form.displacement)
    }
    let mode: UInt8
    let shown: [UInt8]
    if form.displacement == 0 && base & 7 != 5 && form.short {
      (mode, shown) = (0, [])
    } else {
      (mode, shown) = (form.short ? 0x40 : 0x80, displacement)
    }
    if form.index == nil && base & 7 != 4 { return [mode | field | UInt8(base & 7)] + shown }
    let index = form.index.map { UInt8($0 & 7) } ?? 4
    return [mode | field | 4, UInt8(form.scale) << 6 | index << 3 | UInt8(base & 7)] + shown
  }
}
