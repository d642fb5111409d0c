// The processor that a guest sees under an engine that traps CPUID: a name, the same on every machine.

import Platform

/// The levels of the x86-64 psABI (System V ABI, "Micro-Architecture Levels"), each shown as an Intel server of its time.
///
/// What a name stands for never changes: a change of the tables is a new `definition`.
public enum ProcessorModel: String, CaseIterable, Hashable, Sendable {
  case v2 = "x86-64-v2"
  case v3 = "x86-64-v3"
  case v4 = "x86-64-v4"

  /// The number of this version of the tables; part of the fingerprint.
  static let definition = 1

  /// What a trace's header says of the processor.
  public var fingerprint: String { "baseline \(rawValue) \(Self.definition)" }

  /// The model that a trace was recorded with; nil for another definition, and for a host's own processor.
  public init?(fingerprint: String) {
    guard let model = Self.allCases.first(where: { $0.fingerprint == fingerprint }) else { return nil }
    self = model
  }

  var level: Int {
    switch self {
    case .v2: 2
    case .v3: 3
    case .v4: 4
    }
  }

  public func isBelow(_ other: ProcessorModel) -> Bool { level < other.level }

  // MARK: Identity

  static let vendor = "GenuineIntel"
  static let family: UInt32 = 6
  /// Nehalem-EP, Haswell-EP, Skylake-SP.
  var model: UInt32 {
    switch self {
    case .v2: 0x1a
    case .v3: 0x3f
    case .v4: 0x55
    }
  }
  var stepping: UInt32 {
    switch self {
    case .v2: 5
    case .v3: 2
    case .v4: 4
    }
  }
  var brand: String { "replaysb \(rawValue)" }

  // MARK: Extended state

  /// XCR0: x87 and SSE; AVX; opmasks and the two parts of the 512-bit registers (Intel SDM volume 1, 13.3). Without
  /// OSXSAVE it is what the frame of a signal holds.
  public var extendedStateComponents: UInt64 {
    switch self {
    case .v2: 3
    case .v3: 7
    case .v4: 0xe7
    }
  }

  /// The size of the XSAVE area, with the components at the places that Intel's processors give them.
  public var extendedStateBytes: Int {
    switch self {
    case .v2: 576
    case .v3: 832
    case .v4: 2688
    }
  }

  // MARK: Features

  var features: [ProcessorFeature] { ProcessorFeature.all.filter { $0.level <= level } }

  func has(_ name: String) -> Bool { ProcessorFeature.all.contains { $0.name == name && $0.level <= level } }

  /// The word of a CPUID leaf that is made of features.
  func featureWord(_ leaf: UInt32, _ register: CPUIDRegister) -> UInt32 {
    features.reduce(0) { word, feature in
      guard let place = feature.place, place.leaf == leaf, place.register == register else { return word }
      return word | 1 << UInt32(place.bit)
    }
  }

  /// What the host's processor must have: all that guest code executes untrapped.
  public var requirement: ProcessorRequirement {
    ProcessorRequirement(
      features: features.compactMap { feature in
        guard feature.isNative, let place = feature.place else { return nil }
        return ProcessorRequirement.Feature(
          name: feature.name, leaf: place.leaf, register: place.register, bit: place.bit)
      }, extendedStateComponents: extendedStateComponents)
  }
}
