// What a search knows of the execution that it found: why it fails, and where the turn changed on the way there. It stands in the
// header, so a reader has it before the first record, and readers that do not know it skip it.
//
// The bytes: a version (1), then varints; tasks and addresses as they are. Counts are checked against what remains.

/// The record of a search in the trace of what it found.
public struct SearchNote: Hashable, Sendable {
  /// A moment of a task: it stands before the instruction at `pc`, after so many ticks of its own. Of one run it names one moment.
  public struct Place: Hashable, Sendable {
    /// The guest-visible thread id.
    public var task: Int32
    public var ticks: UInt64
    public var pc: UInt64
    public init(task: Int32, ticks: UInt64, pc: UInt64) {
      self.task = task
      self.ticks = ticks
      self.pc = pc
    }
  }

  /// One change of turn.
  public struct Switch: Hashable, Sendable {
    public enum Kind: UInt8, Hashable, Sendable {
      /// The task could have gone on.
      case preemption = 1
      /// It could not, or gave its turn up, and several tasks could be next.
      case choice = 2
      /// It had spun for long, and another one was next; or it seemed to, and went on all the same: then that is itself.
      case fairness = 3
      /// Time passed until the next timer, though tasks could have gone on. `next` says nothing.
      case delay = 4
    }
    public var kind: Kind
    /// Whether the task stood before an instruction of its own, rather than behind a system call or fault.
    public var isInCode: Bool
    /// Whether it stood inside that instruction, an update that had loaded and not stored.
    public var isInside = false
    /// Where the task stood whose turn ended.
    public var place: Place
    /// The task that had the next turn.
    public var next: Int32
    /// Time only passes in a delay, and who goes on all the same, or sleeps and has the next turn too, keeps its turn.
    public var changesTurn: Bool { kind != .delay && next != place.task }
    public init(kind: Kind, isInCode: Bool, isInside: Bool = false, place: Place, next: Int32) {
      self.kind = kind
      self.isInCode = isInCode
      self.isInside = isInside
      self.place = place
      self.next = next
    }
  }

  /// Two operations whose order decides whether the program fails.
  public struct Reordering: Hashable, Sendable {
    /// The preemption that brings the order about: its index in `switches`.
    public var switchIndex: Int
    /// The operation that came first in the failing run, of another task than the one that was stopped.
    public var first: Place
    /// The one that was held back; the failing run may end before it.
    public var second: Place
    public init(switchIndex: Int, first: Place, second: Place) {
      self.switchIndex = switchIndex
      self.first = first
      self.second = second
    }
  }

  /// The kind of failure in words: "signal 6", "deadlock".
  public var failure: String
  public var switches: [Switch]
  public var reorderings: [Reordering]

  public init(failure: String, switches: [Switch] = [], reorderings: [Reordering] = []) {
    self.failure = failure
    self.switches = switches
    self.reorderings = reorderings
  }
}

extension SearchNote {
  private static let version: UInt64 = 1
  private static let insideBit: UInt64 = 64
  /// Most bytes of a note; one that would be longer is written without what does not fit, the last switches first.
  static let encodedLimit = 1 << 20

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
    func place(_ place: Place) {
      number(UInt64(UInt32(bitPattern: place.task)))
      number(place.ticks)
      number(place.pc)
    }
    let text = failure.utf8.prefix(TextLimit.word)
    // No switch takes more than 32 bytes, no reordering more than 60.
    let switchesKept = switches.prefix((Self.encodedLimit - TextLimit.word) / 64)
    let reorderingsKept = reorderings.filter { $0.switchIndex < switchesKept.count }.prefix(4096)
    number(Self.version)
    number(UInt64(text.count))
    out.append(contentsOf: text)
    number(UInt64(switchesKept.count))
    for entry in switchesKept {
      number(UInt64(entry.kind.rawValue) << 1 | (entry.isInCode ? 1 : 0) | (entry.isInside ? Self.insideBit : 0))
      place(entry.place)
      number(UInt64(UInt32(bitPattern: entry.next)))
    }
    number(UInt64(reorderingsKept.count))
    for entry in reorderingsKept {
      number(UInt64(entry.switchIndex))
      place(entry.first)
      place(entry.second)
    }
    return out
  }

  /// nil for a note of a version that this one does not know.
  init?(from source: inout ByteSource) throws(DecodeFailure) {
    if try source.varint() != Self.version { return nil }
    self.init(failure: try source.string())
    func task(_ source: inout ByteSource) throws(DecodeFailure) -> Int32 {
      Int32(bitPattern: UInt32(try source.varint(limit: UInt64(UInt32.max), "a task")))
    }
    func place(_ source: inout ByteSource) throws(DecodeFailure) -> Place {
      let number = try task(&source)
      let ticks = try source.varint()
      return Place(task: number, ticks: ticks, pc: try source.varint())
    }
    for _ in 0..<(try source.itemCount("a number of switches")) {
      let bits = try source.varint(limit: 255, "a kind of switch")
      guard let kind = Switch.Kind(rawValue: UInt8((bits & ~Self.insideBit) >> 1)) else { throw DecodeFailure("an unknown kind of switch") }
      let stood = try place(&source)
      let isInside = bits & Self.insideBit != 0
      switches.append(
        Switch(kind: kind, isInCode: bits & 1 != 0, isInside: isInside, place: stood, next: try task(&source)))
    }
    for _ in 0..<(try source.itemCount("a number of reorderings")) {
      let index = Int(try source.varint(limit: UInt64(max(0, switches.count - 1)), "a switch's index"))
      if switches.isEmpty { throw DecodeFailure("a reordering without switches") }
      let first = try place(&source)
      reorderings.append(Reordering(switchIndex: index, first: first, second: try place(&source)))
    }
  }
}
