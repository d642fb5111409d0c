// Which machine executes guest code, and what a trace says about it.

import Platform
import PtracePlatform
import Trace

/// An engine, by the name that command lines and traces use.
public enum Engine: String, Sendable, CaseIterable {
  /// A binary translator: counts ticks, and stops at them.
  case translated
  /// The processor runs guest code as it is. No ticks: tasks are switched at traps only.
  case direct

  /// What runs without `--engine` take.
  public static let standard = Engine.direct

  public var hasTicks: Bool { self == .translated }
  /// As trace headers have it; 0 without ticks.
  var tickDefinition: UInt32 { hasTicks ? TickDefinition.current : 0 }

  /// The engine that replays a trace. Throws with the reason when this version has none that could.
  init(of header: TraceHeader) throws(SessionError) {
    guard let engine = Engine(rawValue: header.engine) else {
      throw SessionError("the trace was recorded by the \(header.engine) engine, which this version has not")
    }
    if header.tickDefinition != engine.tickDefinition {
      throw SessionError(
        "the trace counts ticks by definition \(header.tickDefinition), and the \(engine.rawValue) engine of this "
          + "version by \(engine.tickDefinition)")
    }
    self = engine
  }
}

/// What a session needs of a machine that runs on this host.
public protocol HostedMachine: MemoryHashing {
  /// Ends every process of the machine and gives the thread back. The machine is of no use afterwards.
  func shutdown()
}

extension PtraceMachine: HostedMachine {}

/// A machine on the processor that follows from seed and arguments: a recording and its replay choose the same.
func makeMachine(_ engine: Engine, seed: UInt64, arguments: [String]) throws(SessionError) -> any HostedMachine {
  var choice = seed
  for byte in arguments.joined(separator: " ").utf8 { choice = (choice ^ UInt64(byte)) &* 0x100_0000_01b3 }
  var configuration = PtraceMachine.Configuration()
  configuration.processorChoice = choice >> 8
  do throws(MachineError) {
    switch engine {
    case .direct: return try PtraceMachine(configuration)
    case .translated: break
    }
  } catch {
    throw SessionError("this machine does not let us trace: \(error) (see `replaysb doctor`)")
  }
  throw SessionError("the translated engine is not built yet")
}
