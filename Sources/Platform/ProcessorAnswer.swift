// CPUID without a trap.

/// What CPUID answers for a leaf. Upper halves of the registers are cleared.
public struct ProcessorAnswer: Hashable, Sendable {
  public var leaf: UInt32
  /// nil: whatever the subleaf.
  public var subleaf: UInt32?
  public var eax: UInt32
  public var ebx: UInt32
  public var ecx: UInt32
  public var edx: UInt32

  public init(leaf: UInt32, subleaf: UInt32?, eax: UInt32, ebx: UInt32, ecx: UInt32, edx: UInt32) {
    self.leaf = leaf
    self.subleaf = subleaf
    self.eax = eax
    self.ebx = ebx
    self.ecx = ecx
    self.edx = edx
  }

  public func matches(leaf: UInt32, subleaf: UInt32) -> Bool { leaf == self.leaf && (self.subleaf ?? subleaf) == subleaf }

  /// Of a run.
  public static let countMax = 64
}
