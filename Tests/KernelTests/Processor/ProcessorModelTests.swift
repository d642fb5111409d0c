// The tables of the processor models: what CPUID says is consistent in itself, and the same as what Linux says.

import LinuxABI
import Platform
import Testing

@testable import Kernel

@Suite struct ProcessorModelTests {
  private func cpuid(_ model: ProcessorModel, _ leaf: UInt32, _ subleaf: UInt32 = 0, cpus: Int = 4) -> CPUIDAnswer {
    model.cpuid(leaf: leaf, subleaf: subleaf, cpuCount: cpus)
  }

  /// The figures themselves, since traces hang on them: a change here is a new `ProcessorModel.definition`.
  @Test func theTablesAreThoseOfDefinitionOne() {
    let words = ProcessorModel.allCases.map { model in
      [
        cpuid(model, 1).eax, cpuid(model, 1).ebx, cpuid(model, 1).ecx, cpuid(model, 1).edx, cpuid(model, 7).ebx,
        cpuid(model, 0x8000_0001).ecx, cpuid(model, 0x8000_0001).edx,
      ]
    }
    #expect(words[0] == [0x1_06a5, 0x4_0800, 0x0098_2201, 0x178b_fbff, 0, 1, 0x2c10_0800])
    #expect(words[1] == [0x3_06f2, 0x4_0800, 0x7ed8_3203, 0x178b_fbff, 0x0004_0328, 0x21, 0x2c10_0800])
    #expect(words[2] == [0x5_0654, 0x4_0800, 0x7ed8_3203, 0x178b_fbff, 0xd00f_0328, 0x21, 0x2c10_0800])
    #expect(ProcessorModel.v3.fingerprint == "baseline x86-64-v3 1")
  }

  /// The table that machines get says what the model says, for every leaf that there is.
  @Test(arguments: ProcessorModel.allCases, [1, 4]) func answersAreTheModels(_ model: ProcessorModel, cpus: Int) {
    let answers = model.answers(cpuCount: cpus)
    #expect(answers.count <= ProcessorAnswer.countMax)
    let leaves = Array(0...ProcessorModel.highestBasicLeaf) + Array(0x8000_0000...ProcessorModel.highestExtendedLeaf)
    for leaf in leaves {
      for subleaf in [0, 1, 2, 3, 4, 5, 1 << 31, .max] as [UInt32] {
        let answer = answers.first { $0.matches(leaf: leaf, subleaf: subleaf) }
        let expected = cpuid(model, leaf, subleaf, cpus: cpus)
        #expect(answer.map { [$0.eax, $0.ebx, $0.ecx, $0.edx] } == [expected.eax, expected.ebx, expected.ecx, expected.edx])
      }
    }
    #expect(answers.allSatisfy { leaves.contains($0.leaf) })
  }

  @Test(arguments: ProcessorModel.allCases) func whatNeedsTheSystemHasIt(_ model: ProcessorModel) {
    let one = cpuid(model, 1), seven = cpuid(model, 7)
    let xcr0 = model.extendedStateComponents
    let hasAVX = one.ecx >> 28 & 1 == 1
    #expect(hasAVX == (one.ecx >> 27 & 1 == 1 && xcr0 & 6 == 6))
    for bit in [12, 29] as [UInt32] where one.ecx >> bit & 1 == 1 { #expect(hasAVX, "FMA and F16C need AVX") }
    if seven.ebx >> 5 & 1 == 1 { #expect(hasAVX, "AVX2 needs AVX") }
    #expect((seven.ebx >> 16 & 1 == 1) == (xcr0 & 0xe0 == 0xe0), "AVX-512 and its state")
    let isOSXSAVE = one.ecx >> 27 & 1, isXSAVE = one.ecx >> 26 & 1
    #expect(isOSXSAVE == isXSAVE)
  }

  @Test(arguments: ProcessorModel.allCases) func theKernelsBitsAreHidden(_ model: ProcessorModel) {
    let one = cpuid(model, 1), seven = cpuid(model, 7)
    // MONITOR, VMX, SMX, PCID, x2APIC, TSC deadline, hypervisor.
    for bit in [3, 5, 6, 17, 21, 24, 31] as [UInt32] { #expect(one.ecx >> bit & 1 == 0, "ecx \(bit)") }
    // FSGSBASE, SGX, HLE, SMEP, INVPCID, RTM, MPX, SMAP, SHA.
    for bit in [0, 2, 4, 7, 10, 11, 14, 20, 29] as [UInt32] { #expect(seven.ebx >> bit & 1 == 0, "ebx \(bit)") }
    #expect(seven.eax == 0 && seven.ecx == 0 && seven.edx == 0)
    #expect(cpuid(model, 7, 1) == CPUIDAnswer())
    // SSE4a, 3DNow prefetch, XOP, FMA4, TBM; MMXEXT, 3DNow.
    #expect(cpuid(model, 0x8000_0001).ecx & ~0x21 == 0)
    #expect(cpuid(model, 0x8000_0001).edx & 0xc040_0000 == 0)
  }

  @Test(arguments: ProcessorModel.allCases) func leavesBeyondTheHighestAreZero(_ model: ProcessorModel) {
    #expect(cpuid(model, 0).eax == 7)
    #expect(cpuid(model, 0x8000_0000).eax == 0x8000_0008)
    for leaf in [8, 0xb, 0xd, 0x14, 0x1f, 0x4000_0000, 0x8000_0009, 0x8000_001e, 0xffff_ffff] as [UInt32] {
      #expect(cpuid(model, leaf) == CPUIDAnswer())
    }
    #expect(cpuid(model, 0x8000_0007).edx == 0x100)
    #expect(cpuid(model, 0x8000_0008).eax == 0x302e)
  }

  @Test func namesAreText() {
    func text(_ words: [UInt32]) -> String {
      String(decoding: words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32($0 * 8)) } }, as: UTF8.self)
    }
    let zero = cpuid(.v3, 0)
    #expect(text([zero.ebx, zero.edx, zero.ecx]) == "GenuineIntel")
    let brand = (0x8000_0002...0x8000_0004 as ClosedRange<UInt32>).map { cpuid(.v3, $0) }
      .flatMap { [$0.eax, $0.ebx, $0.ecx, $0.edx] }
    #expect(text(brand).split(separator: "\0").first == "replaysb x86-64-v3")
  }

  @Test func cachesHaveTheirSizes() {
    let sizes = (0..<4).map { index -> UInt32 in
      let answer = cpuid(.v3, 4, UInt32(index))
      return ((answer.ebx >> 22) + 1) * ((answer.ebx >> 12 & 0x3ff) + 1) * ((answer.ebx & 0xfff) + 1) * (answer.ecx + 1)
    }
    #expect(sizes == [32 << 10, 32 << 10, 256 << 10, 30 << 20])
    #expect((0..<4).map { cpuid(.v3, 4, UInt32($0)).eax & 0xff } == [0x21, 0x22, 0x43, 0x63])
    #expect(cpuid(.v3, 4, 4) == CPUIDAnswer())
    // The second cache again, in the words of the extended leaf.
    #expect(cpuid(.v3, 0x8000_0006).ecx == 256 << 16 | 6 << 12 | 64)
  }

  @Test(arguments: [1, 2, 3, 4, 5, 48, 64]) func processorsAreCountedOneWay(_ count: Int) {
    let one = cpuid(.v3, 1, cpus: count)
    let ids = one.ebx >> 16 & 0xff
    #expect(one.ebx >> 24 == 0)
    #expect(ids >= count && (count == 1 || ids < 2 * count) && ids & (ids - 1) == 0)
    #expect((one.edx >> 28 & 1 == 1) == (count > 1))
    let shared = cpuid(.v3, 4, 3, cpus: count).eax, own = cpuid(.v3, 4, 0, cpus: count).eax
    #expect(shared >> 14 & 0xfff == ids - 1 && shared >> 26 == ids - 1)
    #expect(own >> 14 & 0xfff == 0 && own >> 26 == ids - 1)
    #expect(ProcessorModel.v3.hardwareCapabilities(count) == UInt64(one.edx))
  }

  @Test func levelsGrow() {
    let sets = ProcessorModel.allCases.map { Set($0.requirement.features) }
    #expect(sets[0].isStrictSubset(of: sets[1]) && sets[1].isStrictSubset(of: sets[2]))
    let names = Set(sets[1].map(\.name))
    // The psABI's list for level 3, but for what every processor has.
    for name in ["cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3", "avx", "avx2", "bmi1", "bmi2", "f16c",
      "fma", "abm", "movbe", "osxsave"] { #expect(names.contains(name), "\(name)") }
    #expect(!names.contains("rdrand") && !names.contains("rdseed"), "the kernel answers these")
    #expect(ProcessorModel.v4.requirement.extendedStateComponents == 0xe7)
  }

  @Test func fingerprintsNameTheirModel() {
    for model in ProcessorModel.allCases { #expect(ProcessorModel(fingerprint: model.fingerprint) == model) }
    #expect(ProcessorModel(fingerprint: "baseline x86-64-v3 2") == nil)
    #expect(ProcessorModel(fingerprint: "AuthenticAMD family 25") == nil)
    #expect(ProcessorModel(fingerprint: "") == nil)
  }

  @Test func linuxSaysTheSame() {
    let text = ProcessorModel.v3.description(of: 1, count: 4)
    let lines = text.split(separator: "\n").map(String.init)
    #expect(text.hasSuffix("\n\n") && lines.first == "processor\t: 1")
    #expect(lines.contains("model name\t: replaysb x86-64-v3") && lines.contains("model\t\t: 63"))
    #expect(lines.contains("cpu cores\t: 4") && lines.contains("cpuid level\t: 7"))
    let flags = lines.first { $0.hasPrefix("flags") }!.split(separator: " ").map(String.init)
    #expect(flags.contains("avx2") && flags.contains("ht") && !flags.contains("avx512f") && !flags.contains("osxsave"))
    #expect(Set(flags).count == flags.count)
    #expect(!ProcessorModel.v3.description(of: 0, count: 1).contains(" ht "))
  }

  @Test func theConfigurationShowsTheModel() {
    var configuration = KernelConfiguration()
    configuration.hardwareCapabilities2 = 2
    #expect(configuration.hardwareCapabilities2Shown == 2)
    #expect(configuration.minimumSignalStackBytes == 3648)
    configuration.processor = .v3
    #expect(configuration.hardwareCapabilitiesShown == 0x178b_fbff && configuration.hardwareCapabilities2Shown == 0)
    #expect(configuration.minimumSignalStackBytes == 1776)
    let fixture = KernelFixture { $0.processor = .v4 }
    #expect(ProcSystemFile.cpuinfo.text(fixture.kernel).contains("avx512vl\n"))
    #expect(ProcSystemFile.cpuinfo.text(KernelFixture().kernel).contains("replaysb x86-64 processor\n"))
  }
}
