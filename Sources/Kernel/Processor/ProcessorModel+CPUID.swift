// What CPUID answers (Intel SDM volume 2, CPUID), and what Linux makes of it for the auxiliary vector and /proc/cpuinfo.
//
// The highest basic leaf is 7, so leaf 0xD (the XSAVE area) is absent although XSAVE and XCR0 are there. That is on purpose:
// glibc's dynamic linker (sysdeps/x86/cpu-features.c, update_active; dl-machine.h, elf_machine_runtime_setup) then keeps
// xsave_state_size 0 and saves registers by FXSAVE, whose bytes do not depend on when the host switched tasks. AVX and
// AVX2 it judges by OSXSAVE and XGETBV alone, as compilers' run-time libraries, Go, Rust, OpenSSL and the JVM do.

import Platform

/// The four registers of an answer.
struct CPUIDAnswer: Hashable, Sendable {
  var eax: UInt32 = 0
  var ebx: UInt32 = 0
  var ecx: UInt32 = 0
  var edx: UInt32 = 0
}

extension ProcessorModel {
  static let highestBasicLeaf: UInt32 = 7
  static let highestExtendedLeaf: UInt32 = 0x8000_0008

  /// The answer on any processor of the guest: all look like the one with APIC id 0, as getcpu says CPU 0.
  ///
  /// A leaf beyond the highest gives zeros, as on AMD. Intel repeats its highest basic leaf there, which a program that
  /// forgot to ask for the highest would take for sizes and counts.
  func cpuid(leaf: UInt32, subleaf: UInt32, cpuCount: Int) -> CPUIDAnswer {
    switch leaf {
    case 0: return vendorAnswer
    case 1: return featureAnswer(cpuCount)
    // TLBs and a prefetcher as of Haswell; 0xff: caches are in leaf 4.
    case 2: return CPUIDAnswer(eax: 0x7603_6301, ebx: 0x00f0_b5ff, ecx: 0, edx: 0x00c1_0000)
    case 4: return cacheAnswer(subleaf, cpuCount)
    case 7 where subleaf == 0: return CPUIDAnswer(ebx: featureWord(7, .ebx))
    case 0x8000_0000: return CPUIDAnswer(eax: Self.highestExtendedLeaf)
    case 0x8000_0001:
      return CPUIDAnswer(ecx: featureWord(leaf, .ecx), edx: featureWord(leaf, .edx))
    case 0x8000_0002...0x8000_0004: return brandAnswer(Int(leaf - 0x8000_0002))
    // The second cache: 256 KiB, 8-way (6), 64-byte lines.
    case 0x8000_0006: return CPUIDAnswer(ecx: 0x0100_6040)
    // The counter runs at one rate, always.
    case 0x8000_0007: return CPUIDAnswer(edx: 1 << 8)
    // 46 bits of physical and 48 of linear addresses.
    case 0x8000_0008: return CPUIDAnswer(eax: 48 << 8 | 46)
    default: return CPUIDAnswer()
    }
  }

  /// The answers for every leaf that there is, as a machine gives them by itself, what start-up code asks for most in front.
  func answers(cpuCount: Int) -> [ProcessorAnswer] {
    let leaves: [UInt32] = [4, 2] + (0...Self.highestBasicLeaf).filter { $0 != 4 && $0 != 2 } + (0x8000_0000...Self.highestExtendedLeaf)
    return leaves.flatMap { leaf -> [ProcessorAnswer] in
      // Subleaves that differ, then any other.
      let subleaves: Range<UInt32> = leaf == 4 ? 0..<UInt32(Self.caches.count) : leaf == 7 ? 0..<1 : 0..<0
      return (subleaves.map { $0 } + [nil]).map { (subleaf: UInt32?) in
        let answer = cpuid(leaf: leaf, subleaf: subleaf ?? subleaves.upperBound, cpuCount: cpuCount)
        return ProcessorAnswer(leaf: leaf, subleaf: subleaf, eax: answer.eax, ebx: answer.ebx, ecx: answer.ecx, edx: answer.edx)
      }
    }
  }

  private var vendorAnswer: CPUIDAnswer {
    let words = Array(Self.vendor.utf8)
    return CPUIDAnswer(
      eax: Self.highestBasicLeaf, ebx: words.integer(at: 0), ecx: words.integer(at: 8), edx: words.integer(at: 4))
  }

  private func featureAnswer(_ cpuCount: Int) -> CPUIDAnswer {
    let signature = (model >> 4) << 16 | Self.family << 8 | (model & 15) << 4 | stepping
    // APIC id 0; addressable ids; CLFLUSH of 8 quadwords.
    let details = UInt32(Self.addressableProcessors(cpuCount)) << 16 | 8 << 8
    return CPUIDAnswer(
      eax: signature, ebx: details, ecx: featureWord(1, .ecx), edx: UInt32(hardwareCapabilities(cpuCount)))
  }

  /// AT_HWCAP: edx of leaf 1.
  func hardwareCapabilities(_ cpuCount: Int) -> UInt64 {
    let word = featureWord(1, .edx)
    return UInt64(cpuCount > 1 ? word : word & ~(1 << 28))
  }

  /// Ids that a package of so many one-thread cores takes: a power of two.
  private static func addressableProcessors(_ cpuCount: Int) -> Int {
    var count = 1
    while count < cpuCount { count *= 2 }
    return min(count, 64)
  }

  private func brandAnswer(_ third: Int) -> CPUIDAnswer {
    let text = Array(brand.utf8)
    let words = text + [UInt8](repeating: 0, count: 48 - text.count)
    let at = third * 16
    return CPUIDAnswer(
      eax: words.integer(at: at), ebx: words.integer(at: at + 4), ecx: words.integer(at: at + 8),
      edx: words.integer(at: at + 12))
  }

  // MARK: Caches

  private struct Cache {
    /// 1 data, 2 instructions, 3 both.
    var type: UInt32
    var level: UInt32
    var kibibytes: UInt32
    var ways: UInt32
    var isShared = false
  }

  /// Of every model: figures of a Haswell server.
  private static let caches = [
    Cache(type: 1, level: 1, kibibytes: 32, ways: 8), Cache(type: 2, level: 1, kibibytes: 32, ways: 8),
    Cache(type: 3, level: 2, kibibytes: 256, ways: 8),
    Cache(type: 3, level: 3, kibibytes: 30 << 10, ways: 20, isShared: true),
  ]
  static var largestCacheKibibytes: UInt32 { caches.last!.kibibytes }

  private func cacheAnswer(_ index: UInt32, _ cpuCount: Int) -> CPUIDAnswer {
    guard index < Self.caches.count else { return CPUIDAnswer() }
    let cache = Self.caches[Int(index)]
    let most = UInt32(Self.addressableProcessors(cpuCount) - 1)
    // Self-initialising; who shares it; cores of the package.
    let shape = cache.type | cache.level << 5 | 1 << 8 | (cache.isShared ? most : 0) << 14 | most << 26
    return CPUIDAnswer(
      eax: shape, ebx: (cache.ways - 1) << 22 | 63, ecx: cache.kibibytes * 1024 / 64 / cache.ways - 1,
      edx: cache.isShared ? 6 : 0)
  }

  // MARK: /proc/cpuinfo

  /// show_cpuinfo of arch/x86/kernel/cpu/proc.c, for one processor of `count`.
  func description(of index: Int, count: Int) -> String {
    let flags = features.map(\.name).filter {
      $0 != ProcessorFeature.osxsave && (count > 1 || $0 != ProcessorFeature.hyperThreading)
    }
    let lines: [(String, String)] = [
      ("processor\t", "\(index)"), ("vendor_id\t", Self.vendor), ("cpu family\t", "\(Self.family)"),
      ("model\t\t", "\(model)"), ("model name\t", brand), ("stepping\t", "\(stepping)"), ("microcode\t", "0x1"),
      ("cpu MHz\t\t", "1000.000"), ("cache size\t", "\(Self.largestCacheKibibytes) KB"), ("physical id\t", "0"),
      ("siblings\t", "\(count)"), ("core id\t\t", "\(index)"), ("cpu cores\t", "\(count)"), ("apicid\t\t", "\(index)"),
      ("initial apicid\t", "\(index)"), ("fpu\t\t", "yes"), ("fpu_exception\t", "yes"),
      ("cpuid level\t", "\(Self.highestBasicLeaf)"), ("wp\t\t", "yes"),
      ("flags\t\t", flags.joined(separator: " ")), ("bugs\t\t", ""), ("bogomips\t", "2000.00"),
      ("clflush size\t", "64"), ("cache_alignment\t", "64"),
      ("address sizes\t", "46 bits physical, 48 bits virtual"), ("power management", ""),
    ]
    return lines.map { name, value in value.isEmpty ? "\(name):\n" : "\(name): \(value)\n" }.joined() + "\n"
  }
}
