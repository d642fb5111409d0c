// The features of the processor models: one row for each CPUID bit that some model shows. Bits without a row are never
// shown: those of the kernel (MONITOR, SMEP, x2APIC, hypervisor), those that not all servers of a level share (SHA, VAES,
// RTM, PKU, CET, AMX), and FSGSBASE, since Linux says by AT_HWCAP2 whether it is usable.

import Platform

struct ProcessorFeature: Sendable {
  /// The name that /proc/cpuinfo has for it (arch/x86/include/asm/cpufeatures.h).
  let name: String
  /// Nil for what Linux derives.
  let place: (leaf: UInt32, register: CPUIDRegister, bit: UInt8)?
  /// The lowest level that has it.
  let level: Int
  /// Guest code executes its instructions untrapped, so the host must have it.
  let isNative: Bool

  private static let extendedLeaf: UInt32 = 0x8000_0001

  /// In the order of /proc/cpuinfo.
  static let all: [ProcessorFeature] = legacy + extended + derived + vectors + extendedMore + structured

  /// Leaf 1, edx. Every 64-bit processor has these.
  private static let legacy = rows(
    1, .edx,
    [
      ("fpu", 0), ("vme", 1), ("de", 2), ("pse", 3), ("tsc", 4), ("msr", 5), ("pae", 6), ("mce", 7), ("cx8", 8),
      ("apic", 9), ("sep", 11), ("mtrr", 12), ("pge", 13), ("mca", 14), ("cmov", 15), ("pat", 16), ("pse36", 17),
      ("clflush", 19), ("mmx", 23), ("fxsr", 24), ("sse", 25), ("sse2", 26), (hyperThreading, 28),
    ], isNative: false)

  /// Shown when there is more than one processor.
  static let hyperThreading = "ht"

  private static let extended = rows(
    extendedLeaf, .edx, [("syscall", 11), ("nx", 20), ("pdpe1gb", 26), ("rdtscp", 27), ("lm", 29)], isNative: false)

  private static let derived = ["constant_tsc", "rep_good", "nopl", "nonstop_tsc", "cpuid"].map {
    ProcessorFeature(name: $0, place: nil, level: 2, isNative: false)
  }

  /// Leaf 1, ecx. RDRAND is answered by the kernel.
  private static let vectors =
    rows(1, .ecx, [("pni", 0)])
    + rows(1, .ecx, level: 3, [("pclmulqdq", 1)])
    + rows(1, .ecx, [("ssse3", 9)])
    + rows(1, .ecx, level: 3, [("fma", 12)])
    + rows(1, .ecx, [("cx16", 13), ("sse4_1", 19), ("sse4_2", 20)])
    + rows(1, .ecx, level: 3, [("movbe", 22)])
    + rows(1, .ecx, [("popcnt", 23)])
    + rows(1, .ecx, level: 3, [("aes", 25), ("xsave", 26), (osxsave, 27), ("avx", 28), ("f16c", 29)])
    + rows(1, .ecx, level: 3, [("rdrand", 30)], isNative: false)

  /// XCR0 is set, and XGETBV executes. Linux does not print it.
  static let osxsave = "osxsave"

  private static let extendedMore =
    rows(extendedLeaf, .ecx, [("lahf_lm", 0)]) + rows(extendedLeaf, .ecx, level: 3, [("abm", 5)])

  /// Leaf 7, ebx. ERMS says that `rep movsb` is fast, RDSEED is answered by the kernel; ADX is younger than Haswell.
  private static let structured =
    rows(7, .ebx, level: 3, [("bmi1", 3), ("avx2", 5), ("bmi2", 8)])
    + rows(7, .ebx, level: 3, [("erms", 9)], isNative: false)
    + rows(7, .ebx, level: 4, [("avx512f", 16), ("avx512dq", 17)])
    + rows(7, .ebx, level: 3, [("rdseed", 18)], isNative: false)
    + rows(7, .ebx, level: 4, [("adx", 19), ("avx512cd", 28), ("avx512bw", 30), ("avx512vl", 31)])

  private static func rows(
    _ leaf: UInt32, _ register: CPUIDRegister, level: Int = 2, _ names: [(String, UInt8)], isNative: Bool = true
  ) -> [ProcessorFeature] {
    names.map { ProcessorFeature(name: $0.0, place: (leaf, register, $0.1), level: level, isNative: isNative) }
  }
}
