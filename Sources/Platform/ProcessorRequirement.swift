// What a run needs of the host's processor: the kernel says it, a machine checks it.

/// A register that CPUID answers in, by its place in the answer.
public enum CPUIDRegister: Int, Hashable, Sendable { case eax, ebx, ecx, edx }

/// The features that guest code uses by itself, without a trap.
public struct ProcessorRequirement: Hashable, Sendable {
  public struct Feature: Hashable, Sendable {
    /// The name that /proc/cpuinfo has for it.
    public var name: String
    /// The CPUID leaf (subleaf 0) and where its answer shows the feature.
    public var leaf: UInt32
    public var register: CPUIDRegister
    public var bit: UInt8
    public init(name: String, leaf: UInt32, register: CPUIDRegister, bit: UInt8) {
      self.name = name
      self.leaf = leaf
      self.register = register
      self.bit = bit
    }
  }
  public var features: [Feature]
  /// Components of the XSAVE area, as bits of XCR0.
  public var extendedStateComponents: UInt64
  public init(features: [Feature], extendedStateComponents: UInt64) {
    self.features = features
    self.extendedStateComponents = extendedStateComponents
  }
}
