// Which processor a run shows, and whether this host can show it.

import Kernel
import PtracePlatform
import Trace

extension RunOptions {
  /// The processor that the guest sees; nil: the host's own, because the engine cannot hide it.
  var processorShown: ProcessorModel? { engine.hasTicks ? processor : nil }

  /// What the trace's header says of it.
  var processorFingerprint: String {
    if let model = processorShown { return model.fingerprint }
    return isPortable ? "" : PtraceMachine.cpuFingerprint()
  }
}

public enum ProcessorCheck {
  /// What this host lacks to run a model, by the names of /proc/cpuinfo.
  public static func missing(for model: ProcessorModel) -> [String] {
    PtraceMachine.missingFeatures(for: model.requirement)
  }

  /// Before a run: the host has what the guest will be promised.
  static func check(_ model: ProcessorModel?) throws(SessionError) {
    guard let model else { return }
    let missing = missing(for: model)
    if missing.isEmpty { return }
    let lower = ProcessorModel.allCases.last { $0 != model && $0.isBelow(model) && Self.missing(for: $0).isEmpty }
    throw SessionError(
      "this processor lacks \(missing.joined(separator: ", ")), which \(model.rawValue) has"
        + (lower.map { ": try --cpu \($0.rawValue)" } ?? ""))
  }

  /// Before a replay: the guest finds the processor that it was recorded with. Returns the model to show; nil for the
  /// host's own.
  @discardableResult
  static func check(_ header: TraceHeader) throws(SessionError) -> ProcessorModel? {
    if let model = ProcessorModel(fingerprint: header.cpuFingerprint) {
      let missing = missing(for: model)
      if missing.isEmpty { return model }
      throw SessionError(
        "the trace was recorded for \(model.rawValue), and this processor lacks \(missing.joined(separator: ", "))")
    }
    if header.cpuFingerprint.hasPrefix("baseline ") {
      throw SessionError("the trace was recorded for the processor '\(header.cpuFingerprint)', which this version has not")
    }
    let here = PtraceMachine.cpuFingerprint()
    if !header.cpuFingerprint.isEmpty && header.cpuFingerprint != here {
      throw SessionError(
        "the trace was recorded on another processor, and the direct engine cannot hide that from the program:\n"
          + "  recorded: \(header.cpuFingerprint)\n  here:     \(here)")
    }
    return nil
  }
}
