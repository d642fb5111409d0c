// Addresses and ranges of guest memory, and the names by which both sides of the seam call their nouns.

/// An address in a guest address space.
public struct GuestAddress: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
  public var rawValue: UInt64
  @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
  @inlinable public init(_ value: UInt64) { rawValue = value }

  public static let pageSize: UInt64 = 4096
  /// One past the highest user address (TASK_SIZE_MAX with 4-level paging).
  public static let userEnd = GuestAddress(0x7fff_ffff_f000)
  /// One past the highest address that a guest can have mapped: the machine keeps what lies above.
  public static let mappableEnd = GuestAddress(0x7ff0_0000_0000)

  @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  /// Wraps: a guest may pass any bit pattern, and range checks come later.
  @inlinable public static func + (a: Self, b: UInt64) -> Self { Self(a.rawValue &+ b) }
  @inlinable public static func - (a: Self, b: UInt64) -> Self { Self(a.rawValue &- b) }
  @inlinable public static func - (a: Self, b: Self) -> UInt64 { a.rawValue &- b.rawValue }

  @inlinable public var pageDown: Self { Self(rawValue & ~(Self.pageSize - 1)) }
  /// nil when rounding up leaves the 64-bit space.
  @inlinable public var pageUp: Self? {
    let (sum, overflow) = rawValue.addingReportingOverflow(Self.pageSize - 1)
    return overflow ? nil : Self(sum & ~(Self.pageSize - 1))
  }
  @inlinable public var isPageAligned: Bool { rawValue & (Self.pageSize - 1) == 0 }
  public var description: String { "0x" + String(rawValue, radix: 16) }
}

/// Half-open range of guest addresses: `start ..< end`.
public struct GuestRange: Hashable, Sendable, CustomStringConvertible {
  public var start: GuestAddress
  public var end: GuestAddress
  @inlinable public init(_ start: GuestAddress, _ end: GuestAddress) {
    precondition(start <= end)
    self.start = start
    self.end = end
  }
  /// nil when `start + length` wraps.
  @inlinable public init?(_ start: GuestAddress, length: UInt64) {
    let (sum, overflow) = start.rawValue.addingReportingOverflow(length)
    if overflow { return nil }
    self.start = start
    self.end = GuestAddress(sum)
  }
  @inlinable public var length: UInt64 { end.rawValue - start.rawValue }
  @inlinable public var isEmpty: Bool { start == end }
  @inlinable public func contains(_ a: GuestAddress) -> Bool { start <= a && a < end }
  @inlinable public func contains(_ o: GuestRange) -> Bool { start <= o.start && o.end <= end }
  @inlinable public func overlaps(_ o: GuestRange) -> Bool { start < o.end && o.start < end }
  public func intersection(_ o: GuestRange) -> GuestRange? {
    overlaps(o) ? GuestRange(max(start, o.start), min(end, o.end)) : nil
  }
  public var description: String {
    String(start.rawValue, radix: 16) + "-" + String(end.rawValue, radix: 16)
  }
}

/// A guest address space. Chosen by the kernel, counted from 1, never reused in a run.
public struct AddressSpaceID: RawRepresentable, Hashable, Comparable, Sendable {
  public let rawValue: UInt32
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }
  @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// An execution context: the register file of one guest task. Chosen by the kernel, never reused in a run.
public struct ContextID: RawRepresentable, Hashable, Comparable, Sendable {
  public let rawValue: UInt32
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }
  @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// A memory object: bytes that mappings can share (file content, shared anonymous memory). Never reused in a run.
public struct MemoryObjectID: RawRepresentable, Hashable, Comparable, Sendable {
  public let rawValue: UInt32
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }
  @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// What a tick is, by number: a trace names the definition that it counts by, and replays by no other.
public enum TickDefinition {
  /// Version 1. A tick is: a taken direct branch (jmp, jcc, loop, jrcxz, call) whose target is not above the branch
  /// instruction's own address; every indirect jump and indirect call (near), and every near return. The tick happens
  /// after the branch, before the target's first instruction. A branch that faults itself is none; one to an address that
  /// is not canonical is taken and faults at its target (processors fault at the branch).
  public static let current: UInt32 = 1
}

/// A count of translated-execution ticks. The direct engine has none and always reports zero.
public struct Ticks: RawRepresentable, Hashable, Comparable, Sendable {
  public var rawValue: UInt64
  @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
  @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}
