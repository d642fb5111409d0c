// Which traces this host's processor can replay.
import Kernel
import PtracePlatform
import Testing
import Trace

@testable import RecordReplay

@Suite struct ProcessorCheckTests {
  private func check(_ fingerprint: String) throws -> ProcessorModel? {
    try ProcessorCheck.check(TraceHeader(cpuFingerprint: fingerprint))
  }

  @Test func aBaselineReplaysWhereItsFeaturesAre() throws {
    for model in ProcessorModel.allCases {
      let missing = ProcessorCheck.missing(for: model)
      if missing.isEmpty {
        #expect(try check(model.fingerprint) == model)
      } else {
        #expect(throws: SessionError.self) { try check(model.fingerprint) }
        #expect(throws: SessionError.self) { try ProcessorCheck.check(model) }
      }
    }
    // This package's other tests need as much.
    #expect(ProcessorCheck.missing(for: .v2).isEmpty)
  }

  @Test func unknownDefinitionsAndOtherHostsAreRefused() throws {
    #expect(throws: SessionError.self) { try check("baseline x86-64-v3 999") }
    #expect(throws: SessionError.self) { try check("SomeoneElse family 1") }
    #expect(try check("") == nil)
    #expect(try check(PtraceMachine.cpuFingerprint()) == nil)
  }

  @Test func theTranslatedEngineShowsAModel() {
    var options = RunOptions()
    options.engine = .translated
    options.processor = .v2
    #expect(options.processorShown == .v2 && options.processorFingerprint == "baseline x86-64-v2 1")
  }

  @Test func theDirectEngineShowsTheHost() {
    var options = RunOptions()
    options.engine = .direct
    #expect(options.processor == .v3 && options.processorShown == nil)
    #expect(options.processorFingerprint == PtraceMachine.cpuFingerprint())
    options.isPortable = true
    #expect(options.processorFingerprint == "")
  }
}
