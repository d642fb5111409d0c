// Whether this host's processor has what a run needs.
import CLinux
import Platform

extension PtraceMachine {
  /// What of a requirement this processor lacks, or the host's kernel does not enable, by the names of /proc/cpuinfo.
  /// Empty when a guest finds all that it was promised.
  public static func missingFeatures(for requirement: ProcessorRequirement) -> [String] {
    let enabled = cpuid(1)[2] >> 27 & 1 == 1 ? rsb_xgetbv(0) : 3
    return missingFeatures(for: requirement, enabledComponents: enabled) { cpuid($0) }
  }

  /// The same of any processor. A leaf beyond its highest shows nothing.
  static func missingFeatures(
    for requirement: ProcessorRequirement, enabledComponents: UInt64, cpuid: (UInt32) -> [UInt32]
  ) -> [String] {
    // Few, and CPUID takes long where it is emulated.
    var answers: [(leaf: UInt32, words: [UInt32])] = []
    var missing: [String] = []
    for feature in requirement.features {
      let known = answers.first { $0.leaf == feature.leaf }?.words
      let words = known ?? (feature.leaf <= cpuid(feature.leaf & 0x8000_0000)[0] ? cpuid(feature.leaf) : [])
      if known == nil { answers.append((feature.leaf, words)) }
      if words.isEmpty || words[feature.register.rawValue] >> UInt32(feature.bit) & 1 == 0 { missing.append(feature.name) }
    }
    let components = requirement.extendedStateComponents & ~enabledComponents
    if components != 0 { missing.append("XCR0 bits 0x\(String(components, radix: 16))") }
    return missing
  }
}
