// The extended state and the features that a processor baseline shows, on hosts that are laid out like Intel's and AMD's.
import Platform
import Testing

@testable import PtracePlatform

@Suite(.serialized, .timeLimit(.minutes(1))) struct BaselineTests {
  private typealias HostComponent = (bit: UInt64, offset: Int, size: Int)
  private static let intel: [HostComponent] = [
    (4, 576, 256), (8, 960, 64), (16, 1024, 64), (32, 1088, 64), (64, 1152, 512), (128, 1664, 1024), (512, 2688, 8),
  ]
  private static let amd: [HostComponent] = [
    (4, 576, 256), (32, 832, 64), (64, 896, 512), (128, 1408, 1024), (512, 2432, 8),
  ]

  /// A host's area with something else in every byte that a component has.
  private func area(_ host: [HostComponent], inUse: UInt64) -> [UInt8] {
    var area = [UInt8](repeating: 0, count: host.map { $0.offset + $0.size }.max()!)
    for index in 0..<512 { area[index] = UInt8(truncatingIfNeeded: index &* 7 &+ 1) }
    area.setWord(0x0002_ffff_0000_1fa0, at: 24)
    area.setWord(inUse, at: 512)
    for component in host where inUse & component.bit != 0 {
      for index in 0..<component.size {
        area[component.offset + index] = UInt8(truncatingIfNeeded: index &* 13 &+ Int(component.bit))
      }
    }
    return area
  }

  @Test func sizesAreThoseOfTheModels() throws {
    for host in [Self.intel, Self.amd] {
      #expect(ExtendedStateBaseline(3, host: host)?.size == 576)
      #expect(ExtendedStateBaseline(7, host: host)?.size == 832)
      #expect(ExtendedStateBaseline(0xe7, host: host)?.size == 2688)
      #expect(ExtendedStateBaseline(0x207, host: host) == nil, "protection keys are in no baseline")
    }
    #expect(ExtendedStateBaseline(0xe7, host: Array(Self.amd.prefix(1))) == nil)
    #expect(ExtendedStateBaseline(7, host: []) == nil)
  }

  @Test func everyHostShowsTheSame() throws {
    for mask in [3, 7, 0xe7] as [UInt64] {
      let areas = try [Self.intel, Self.amd].map { host in
        let baseline = try #require(ExtendedStateBaseline(mask, host: host))
        return baseline.guestArea(of: area(host, inUse: 0x2e7))
      }
      let shown = areas[0]
      #expect(areas[0] == areas[1])
      #expect(shown.word(at: 512) == mask && shown.word(at: 520) == 0)
      #expect(shown.word(at: 464) == UInt64(shown.count + 4) << 32 | 0x4650_5853)
      #expect(shown.word(at: 472) == mask && shown.word(at: 480) == UInt64(shown.count))
      #expect(shown.word(at: 24) == 0xffff_0000_1fa0, "the same MXCSR_MASK")
      #expect(shown[6..<24].allSatisfy { $0 == 0 }, "no last x87 instruction")
      #expect(shown[160] != 0 && shown[32] != 0)
    }
    let wide = try #require(ExtendedStateBaseline(0xe7, host: Self.amd)).guestArea(of: area(Self.amd, inUse: 0xe7))
    #expect(wide[1088] == 32 && wide[1152] == 64 && wide[1664] == 128 && wide[832..<1088].allSatisfy { $0 == 0 })
  }

  @Test func whatIsTakenIsShownAgain() throws {
    for host in [Self.intel, Self.amd] {
      let baseline = try #require(ExtendedStateBaseline(0xe7, host: host))
      let initial = area(host, inUse: 3)
      for inUse in [3, 7, 0x23, 0xe3, 0xe7] as [UInt64] {
        let shown = baseline.guestArea(of: area(host, inUse: inUse))
        let taken = baseline.hostArea(of: shown, initial: initial)
        #expect(taken.count == initial.count)
        #expect(baseline.guestArea(of: taken) == shown)
      }
    }
  }

  @Test func hostileAreasTakeNothingElse() throws {
    let baseline = try #require(ExtendedStateBaseline(7, host: Self.amd))
    let initial = area(Self.amd, inUse: 3)
    let hostile = [UInt8](repeating: 0xff, count: 2696)
    let taken = baseline.hostArea(of: hostile, initial: initial)
    #expect(taken.word(at: 512) == 7)
    #expect(taken.word(at: 24) == 0x2_ffff_0000_ffff, "MXCSR has the bits of the baseline")
    #expect(taken[832...].elementsEqual(initial[832...]), "hidden components stay initial")
    #expect(baseline.hostArea(of: [], initial: initial).isEmpty)
    for count in [1, 23, 31, 100, 415, 511, 512, 575, 576, 600, 831] {
      let cut = baseline.hostArea(of: Array(hostile.prefix(count)), initial: initial)
      #expect(cut.count == initial.count && cut.word(at: 512) == 3)
    }
  }

  /// The real thing: a guest's vectors through the area of level 3, which every test machine has.
  @Test func aGuestSeesTheBaseline() throws {
    let failures = onTracerThread { () -> [String] in
      let checks = Checks()
      do {
        var configuration = PtraceMachine.Configuration()
        configuration.extendedStateComponents = 7
        let bench = try Bench(checks, configuration)
        defer { bench.machine.shutdown() }
        let machine = bench.machine
        let task = try bench.context(try bench.space(ContextTests.vectorGuest))
        task.registers.rdi = data
        task.registers.rsi = data + 64
        let initial = try machine.extendedState(of: task)
        checks.equal(initial.count, 832)
        checks.equal(initial.word(at: 24), 0xffff_0000_1f80)
        checks.equal(Array(initial[0..<2]), [0x7f, 3])
        _ = try machine.write(task.space, GuestAddress(data), [UInt8](1...32)[...])
        checks.equal(try bench.run(task), .syscall)
        var live = try machine.extendedState(of: task)
        checks.equal(live.word(at: 512), 7)
        checks.equal(Array(live[160 + 240..<160 + 256]), [UInt8](1...16), "xmm15")
        checks.equal(Array(live[576 + 240..<576 + 256]), [UInt8](17...32), "upper half of ymm15")
        // As a handler's changed frame comes back.
        live.setWord(5, at: 160 + 240)
        live.setWord(6, at: 576 + 240)
        try machine.setExtendedState(of: task, live)
        checks.equal(try machine.extendedState(of: task), live)
        checks.equal(try bench.run(task), .syscall)
        let stored = try machine.read(task.space, GuestAddress(data + 64), 32)
        checks.equal(Array(stored[0..<8]) + Array(stored[16..<24]), littleEndian(10 as UInt64) + littleEndian(12 as UInt64))
        try machine.setExtendedState(of: task, [])
        checks.equal(try machine.extendedState(of: task), initial, "initial again")
      } catch { checks.check(false, "threw \(error)") }
      return checks.failures
    }
    for failure in failures { Issue.record("\(failure)") }
  }

  @Test func missingFeaturesAreNamed() {
    let requirement = ProcessorRequirement(
      features: [
        .init(name: "avx", leaf: 1, register: .ecx, bit: 28), .init(name: "avx2", leaf: 7, register: .ebx, bit: 5),
        .init(name: "abm", leaf: 0x8000_0001, register: .ecx, bit: 5),
      ], extendedStateComponents: 7)
    func missing(_ enabled: UInt64, _ words: [UInt32: [UInt32]]) -> [String] {
      PtraceMachine.missingFeatures(for: requirement, enabledComponents: enabled) { words[$0] ?? [0, 0, 0, 0] }
    }
    var words: [UInt32: [UInt32]] = [
      0: [7, 0, 0, 0], 1: [0, 0, 1 << 28, 0], 7: [0, 1 << 5, 0, 0], 0x8000_0000: [0x8000_0008, 0, 0, 0],
      0x8000_0001: [0, 0, 1 << 5, 0],
    ]
    #expect(missing(7, words) == [])
    #expect(missing(3, words) == ["XCR0 bits 0x4"])
    words[1] = [0, 0, 0, 0]
    #expect(missing(7, words) == ["avx"])
    // A leaf beyond the highest may answer anything.
    words[0] = [6, 0, 0, 0]
    words[0x8000_0000] = [0, 0, 0, 0]
    #expect(missing(7, words) == ["avx", "avx2", "abm"])
    #expect(PtraceMachine.missingFeatures(for: ProcessorRequirement(features: [], extendedStateComponents: 3)).isEmpty)
  }
}
