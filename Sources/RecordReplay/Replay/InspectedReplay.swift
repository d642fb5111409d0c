// A replay for those who look into it: the same player, with a visitor that sees every record, runs the guest in parts, and asks for
// registers, memory, mappings and files at any moment.

import CLinux
import Kernel
import Platform
import PtracePlatform
import Trace

/// Who looks into a replay.
public protocol ReplayVisitor: AnyObject {
  /// A record is about to be played.
  func willPlay(_ record: Record, in replay: InspectedReplay) throws(MachineError)
  /// Runs the guest for an event; what is left is run afterwards.
  func run(_ turn: ReplayTurn, in replay: InspectedReplay) throws(MachineError)
  /// The event is over, its trap checked.
  func didRun(_ event: Event, in replay: InspectedReplay) throws(MachineError)
  /// True ends the replay after the present record.
  var isDone: Bool { get }
}

/// A task of the guest.
public struct InspectedTask: Sendable {
  public var task: Int32
  public var process: Int32
  public var name: String
  public var executable: String
  public var context: ContextID
  public var hasEnded: Bool
}

/// A mapping of a space.
public struct InspectedMapping: Sendable {
  public var range: GuestRange
  public var protection: Protection
  public var source: MappingSource
  /// Of the file that is mapped, where the trace names one.
  public var path: String?
}

public final class InspectedReplay {
  /// Up to here what is run ahead was given memory: where the kernel seldom puts any.
  private var mappedAhead: UInt64 = 0x2000_0000_0000
  private let reader: TraceReader
  private let player: ReplayPlayer
  private let hosted: any HostedMachine
  private let machine: any ObservingMachine
  /// Which bytes of objects the trace holds: runs in order, by object.
  private var written: [MemoryObjectID: [Range<UInt64>]] = [:]
  private var objectSizes: [MemoryObjectID: UInt64] = [:]

  public var header: TraceHeader { reader.header }
  /// Spaces made so far.
  public private(set) var spacesMade = 0

  /// Opens a trace of the translated engine.
  public init(path: String) throws(SessionError) {
    reader = try ReplaySession.opened(path)
    let (engine, processor) = try ReplaySession.checkReplayable(reader.header)
    guard engine == .translated else {
      throw SessionError(
        "only traces of the translated engine can be looked into by instruction; this one is of the \(engine.rawValue) one")
    }
    hosted = try makeMachine(engine, seed: reader.header.seed, arguments: reader.header.arguments, processor: processor)
    guard let observing = hosted as? any ObservingMachine else { throw SessionError("the engine cannot observe") }
    machine = observing
    player = ReplayPlayer(hosted, hasTicks: true, formatVersion: reader.header.formatVersion)
  }

  /// Ends the guest. Nothing can be asked afterwards.
  public func shutdown() { hosted.shutdown() }

  /// Plays the trace from its first record, once.
  public func play(_ visitor: any ReplayVisitor) throws(SessionError) {
    player.runner = { [machine] (event, context, limit) throws(MachineError) in
      let turn = ReplayTurn(event, context, limit, machine)
      try visitor.run(turn, in: self)
      try turn.finish()
      return turn.trap ?? event.trap
    }
    defer { player.runner = nil }
    while !visitor.isDone {
      let record: Record?
      do throws(TraceError) { record = try reader.next() } catch { throw SessionError(error.description) }
      guard let record else { return }
      do throws(MachineError) {
        note(record)
        try visitor.willPlay(record, in: self)
        if visitor.isDone { return }
        switch try player.play(record) {
        case .event: try visitor.didRun(player.lastEvent!, in: self)
        case .diverged(let divergence): throw MachineError(divergence.description)
        default: break
        }
      } catch { throw SessionError("the replay cannot go on after event \(reader.lastEvent): \(error)") }
    }
  }

  private func note(_ record: Record) {
    switch record {
    case .createAddressSpace, .forkAddressSpace: spacesMade += 1
    case .createObject(let id, let size):
      objectSizes[id] = size
      written[id] = []
    case .resizeObject(let id, let size): objectSizes[id] = size
    case .destroyObject(let id):
      objectSizes[id] = nil
      written[id] = nil
    case .objectWrite(let id, let offset, let bytes):
      let (end, overflow) = offset.addingReportingOverflow(UInt64(bytes.count))
      if !overflow { Self.add(offset..<end, to: &written[id, default: []]) }
    default: break
    }
  }

  /// Keeps runs in order, those that meet as one.
  private static func add(_ new: Range<UInt64>, to runs: inout [Range<UInt64>]) {
    var merged = new
    var kept: [Range<UInt64>] = []
    for run in runs {
      if run.upperBound < merged.lowerBound || run.lowerBound > merged.upperBound {
        kept.append(run)
      } else {
        merged = min(run.lowerBound, merged.lowerBound)..<max(run.upperBound, merged.upperBound)
      }
    }
    kept.insert(merged, at: kept.firstIndex { $0.lowerBound > merged.lowerBound } ?? kept.count)
    runs = kept
  }

  // MARK: Observation

  public func setAccessLog(_ isOn: Bool) throws(MachineError) { try machine.setAccessLog(isOn ? .all : .off) }
  public func takeAccesses() -> [MemoryAccess] { machine.takeAccesses() }
  public func setSchedulingPoints(_ points: Set<GuestAddress>) throws(MachineError) { try machine.setSchedulingPoints(points) }

  /// Runs a task beyond what the trace says, from these registers. The replay cannot go on afterwards.
  public func runAhead(_ context: ExecutionContext, limit: RunLimit) throws(MachineError) -> Trap {
    try machine.run(context, limit: limit)
  }
  /// Gives a task that is run ahead memory that the trace knows nothing of; nil when there is no room.
  public func mapAhead(_ length: UInt64, in space: AddressSpaceID) throws(MachineError) -> GuestAddress? {
    guard let start = GuestAddress(mappedAhead).pageUp, let range = GuestRange(start, length: length),
      !mappings(in: space).contains(where: { $0.range.overlaps(range) })
    else { return nil }
    try machine.map(space, range, [.read, .write], .anonymous)
    mappedAhead = range.end.rawValue
    return start
  }
  public func ticks(of context: ContextID) -> UInt64 { machine.ticks(of: context).rawValue }

  // MARK: State

  public func task(of context: ContextID) -> InspectedTask? { player.tasks.task(of: context).map(Self.inspected) }
  /// In order of creation, those that ended too.
  public var tasks: [InspectedTask] { player.tasks.tasks.map(Self.inspected) }

  private static func inspected(_ task: ReplayedTask) -> InspectedTask {
    InspectedTask(
      task: task.task, process: task.process, name: task.name, executable: task.executable, context: task.context,
      hasEnded: task.hasEnded)
  }

  /// nil when the context does not exist.
  public func registers(of context: ContextID) -> Registers? { (try? player.context(context))?.registers }
  /// nil when the context does not exist, or has not run yet.
  public func space(of context: ContextID) -> AddressSpaceID? {
    guard let space = (try? player.context(context))?.space, space.rawValue != 0 else { return nil }
    return space
  }

  public func mappings(in space: AddressSpaceID) -> [InspectedMapping] {
    guard Int(space.rawValue) < player.spaces.count, let table = player.spaces[Int(space.rawValue)] else { return [] }
    return table.mappings.map(inspected)
  }

  public func mapping(at address: GuestAddress, in space: AddressSpaceID) -> InspectedMapping? {
    guard Int(space.rawValue) < player.spaces.count, let table = player.spaces[Int(space.rawValue)] else { return nil }
    return table.at(address).map(inspected)
  }

  private func inspected(_ mapping: Mapping) -> InspectedMapping {
    var path: String?
    switch mapping.source {
    case .anonymous: break
    case .privateObject(let id, _), .sharedObject(let id, _): path = player.files.last { $0.object == id }?.path
    }
    return InspectedMapping(range: mapping.range, protection: mapping.protection, source: mapping.source, path: path)
  }

  /// What can be read of so many bytes; empty where nothing is mapped.
  public func read(_ space: AddressSpaceID, _ address: GuestAddress, _ count: Int) -> [UInt8] {
    if count <= 0 || Int(space.rawValue) >= player.spaces.count || player.spaces[Int(space.rawValue)] == nil { return [] }
    return (try? machine.read(space, address, count)) ?? []
  }

  /// An object's bytes, and which of them the trace holds; nil for none or one larger than `sizeMax`.
  public func object(_ id: MemoryObjectID, sizeMax: Int) -> (bytes: [UInt8], present: [Range<UInt64>])? {
    guard let size = objectSizes[id], size <= UInt64(sizeMax), let runs = written[id],
      let bytes = try? machine.readObject(id, offset: 0, Int(size)), UInt64(bytes.count) == size
    else { return nil }
    return (bytes, runs)
  }

  /// A call as `dump` shows it, with the paths that it names.
  public func describe(_ call: SyscallWords, in space: AddressSpaceID) -> String {
    SyscallText.call(call) { address in
      let bytes = self.read(space, address, 256).prefix { $0 != 0 }
      return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
    }
  }
}
