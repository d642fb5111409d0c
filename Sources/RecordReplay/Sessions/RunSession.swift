// `run` and `record`: the same execution without and with a trace.

import CLinux
import Kernel
import Platform
import PtracePlatform
import Trace

/// A run that keeps nothing.
public enum RunSession {
  public static func run(
    _ options: RunOptions, input: InputStream = .descriptor, outputs: OutputPolicy = .passThrough
  ) throws(SessionError) -> RunResult {
    let place = ProcessorPlace(seed: options.seed, arguments: options.argumentTexts)
    place.enter()
    defer { place.leave() }
    let copies = FileCopies(KeptFolder.fileCopies)
    let ahead = FilesAhead(options.program, copies, lists: KeptFolder.fileLists, place: place)
    let machine = try options.makeMachine(at: place)
    defer { machine.shutdown() }
    let host = PosixHostView(hidden: options.hidden, input: input, outputs: outputs, copies: copies, ahead: ahead)
    let seam: any Machine = options.traceCalls ? CallTracingMachine(machine) : machine
    var result = try GuestRun(options, machine: seam, observer: SilentObserver(), host: host).run()
    result.engineCounts = machine.engineCounts
    machine.stop()
    ahead.keepList()
    copies.trim()
    return result
  }
}

/// A run that a trace keeps.
public enum RecordSession {
  /// Records into a new file at `path`. Whatever stands in the way of writing it is known before the guest starts; a
  /// failure later ends the run, with the trace closed after its last whole record. `decisions`: nil for those that follow from
  /// the options. `search`: what a search knows of the run.
  public static func record(
    _ options: RunOptions, to path: String, input: InputStream = .descriptor,
    outputs: OutputPolicy = .passThrough, decisions: (any Decisions)? = nil, search: SearchNote? = nil
  ) throws(SessionError) -> RunResult {
    let place = ProcessorPlace(seed: options.seed, arguments: options.argumentTexts)
    place.enter()
    defer { place.leave() }
    // Threads first: they must not inherit the tracing thread's trapped counter.
    let copies = FileCopies(KeptFolder.fileCopies)
    let ahead = FilesAhead(options.program, copies, lists: KeptFolder.fileLists, place: place)
    let writer: TraceWriter
    do throws(TraceError) {
      writer = try TraceWriter(
        path: path, header: header(options, search), affinity: place.beside, rightOfWay: place.rightOfWay, keeper: KeptFolder.filePieces,
        finishesStart: false)
    } catch {
      throw SessionError("cannot write the trace: \(error)")
    }
    let machine: any HostedMachine
    do throws(SessionError) { machine = try options.makeMachine(at: place) } catch {
      remove(path)
      throw error
    }
    defer { machine.shutdown() }
    do throws(TraceError) { try writer.finishStart() } catch { throw SessionError("cannot write the trace: \(error)") }
    let host = PosixHostView(hidden: options.hidden, input: input, outputs: outputs, copies: copies, ahead: ahead)
    let recording = RecordingMachine(machine, writer: writer, embedsWholePrograms: options.embedsWholePrograms)
    let seam: any Machine = options.traceCalls ? CallTracingMachine(recording) : recording
    let run = GuestRun(
      options, machine: seam, observer: RecordingObserver(recording), host: host, decisions: decisions)
    var result: RunResult
    do throws(SessionError) { result = try run.run() } catch {
      if error.exitStatus != 125 { remove(path) } else { try? writer.close(TraceEnd(verdict: "tool error")) }
      if let failure = recording.failure { throw SessionError("the trace cannot be written: \(failure)") }
      throw error
    }
    if let failure = recording.failure { throw SessionError("the trace cannot be written: \(failure)") }
    // Without the turn that an interruption or the watchdog ended.
    result.events = writer.lastEvent.rawValue
    result.engineCounts = machine.engineCounts
    do throws(TraceError) {
      // Meanwhile the writer's thread makes the last blocks, and the host takes the guest's memory back.
      try writer.finish(traceEnd(result), on: place.atEnd)
      machine.stop()
      ahead.keepList()
      copies.trim()
      try writer.close()
    } catch {
      throw SessionError("the trace cannot be written: \(error)")
    }
    return result
  }

  private static func remove(_ path: String) {
    _ = rsb_host_unlink(path)
    _ = rsb_host_unlink(path + ".journal")
  }

  private static func traceEnd(_ result: RunResult) -> TraceEnd {
    var status: Int32 = 0
    if case .exited(let exit) = result.end { status = exit }
    return TraceEnd(
      status: status, verdict: result.end.verdict, filesChanged: UInt64(result.filesChanged),
      virtualNanoseconds: UInt64(max(0, result.virtualNanoseconds)))
  }

  private static func header(_ options: RunOptions, _ search: SearchNote?) -> TraceHeader {
    var extra: [String] = []
    if let seconds = options.timeoutSeconds { extra.append("--timeout \(seconds)") }
    if options.deadlockPolicy == .report { extra.append("--deadlock report") }
    if options.waitsForAll { extra.append("--wait-all") }
    if options.usesHostClock { extra.append("--clock host") }
    if options.isPortable { extra.append("--portable") }
    if let slices = options.everySlice { extra.append("--slice-ticks \(slices.ticks)\(slices.isVaried ? " --slice-varied" : "")") }
    return TraceHeader(
      toolVersion: Tool.version, engine: options.engine.traceName, tickDefinition: options.engine.tickDefinition,
      cpuFingerprint: options.processorFingerprint, seed: options.seed,
      epochNanoseconds: UInt64(max(0, options.epochNanoseconds)), scheduler: options.policy.rawValue,
      guestCPUCount: UInt32(options.cpuCount),
      arguments: options.argumentTexts,
      workingDirectory: String(decoding: options.workingDirectory, as: UTF8.self),
      environmentNames: options.environmentNames, withheldNames: options.withheldNames, options: extra, search: search)
  }
}

public enum Tool {
  public static let version = "0.1.0"
}
