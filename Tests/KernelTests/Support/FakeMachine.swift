// A machine without a host: guest memory lies in Swift arrays, and guest code is a closure that says which trap comes.

import LinuxABI
import Platform

final class FakeMachine: Machine {
  /// What a mapping of a fake space shows.
  struct Region {
    var range: GuestRange
    var protection: Protection
    var source: MappingSource
  }
  struct Space {
    /// Sorted, disjoint.
    var regions: [Region] = []
    /// Private pages that were written, by address.
    var privatePages: [UInt64: [UInt8]] = [:]
  }

  private(set) var spaces: [AddressSpaceID: Space] = [:]
  private(set) var objects: [MemoryObjectID: [UInt8]] = [:]
  private(set) var contexts: Set<ContextID> = []
  private var extendedStates: [ContextID: [UInt8]] = [:]
  /// Called for `run`: changes registers and memory as guest code would, and says why it stopped.
  var guest: (ExecutionContext) -> Trap = { _ in .budget(StopPoint()) }
  /// Instead of `guest`, for guest code that takes ticks: also says how many.
  var tickingGuest: ((ExecutionContext, RunLimit) -> (Trap, UInt64))?
  private var tickCounts: [ContextID: UInt64] = [:]
  /// How often each kind of effect came, for tests that count.
  private(set) var objectsCreated = 0

  init() {}

  // MARK: Execution

  func run(_ context: ExecutionContext, limit: RunLimit) throws(MachineError) -> Trap {
    precondition(contexts.contains(context.id), "an unknown context runs")
    guard let tickingGuest else { return guest(context) }
    let (trap, ticks) = tickingGuest(context, limit)
    tickCounts[context.id, default: 0] += ticks
    return trap
  }
  func takeLocalEvents() -> [LocalEvent] { [] }
  func ticks(of context: ContextID) -> Ticks { Ticks(rawValue: tickCounts[context] ?? 0) }

  func createContext(_ id: ContextID, extendedState: ExtendedStateSource) throws(MachineError) {
    precondition(contexts.insert(id).inserted, "a context is created twice")
    if case .copy(let other) = extendedState { extendedStates[id] = extendedStates[other] }
  }
  func destroyContext(_ id: ContextID) { contexts.remove(id) }
  func extendedState(of context: ExecutionContext) throws(MachineError) -> [UInt8] {
    extendedStates[context.id] ?? Self.initialExtendedState
  }
  func setExtendedState(of context: ExecutionContext, _ bytes: [UInt8]) throws(MachineError) {
    extendedStates[context.id] = bytes.isEmpty ? Self.initialExtendedState : bytes
  }
  /// Legacy area with the reset values of FCW and MXCSR, header, no components (Intel SDM 13.4).
  static let initialExtendedState: [UInt8] = {
    var bytes = [UInt8](repeating: 0, count: 832)
    bytes[0] = 0x7f
    bytes[1] = 0x03
    bytes[24] = 0x80
    bytes[25] = 0x1f
    return bytes
  }()

  // MARK: Address spaces

  func createAddressSpace(_ id: AddressSpaceID) throws(MachineError) {
    precondition(spaces[id] == nil, "a space is created twice")
    spaces[id] = Space()
  }
  func forkAddressSpace(_ parent: AddressSpaceID, as id: AddressSpaceID) throws(MachineError) {
    precondition(spaces[id] == nil, "a space is created twice")
    spaces[id] = spaces[parent]!
  }
  func destroyAddressSpace(_ id: AddressSpaceID) { spaces[id] = nil }

  func map(_ space: AddressSpaceID, _ range: GuestRange, _ protection: Protection, _ source: MappingSource)
    throws(MachineError)
  {
    check(range)
    clear(space, range)
    insert(space, Region(range: range, protection: protection, source: source))
  }

  func unmap(_ space: AddressSpaceID, _ range: GuestRange) throws(MachineError) {
    check(range)
    clear(space, range)
  }

  func protect(_ space: AddressSpaceID, _ range: GuestRange, _ protection: Protection) throws(MachineError) {
    check(range)
    split(space, range)
    for index in spaces[space]!.regions.indices where range.contains(spaces[space]!.regions[index].range) {
      spaces[space]!.regions[index].protection = protection
    }
  }

  func remap(_ space: AddressSpaceID, _ range: GuestRange, to target: GuestRange) throws(MachineError) {
    check(range)
    check(target)
    split(space, range)
    let index = spaces[space]!.regions.firstIndex { $0.range.start == range.start }!
    let region = spaces[space]!.regions[index]
    precondition(region.range == range, "remap of more than one mapping")
    var moved: [UInt64: [UInt8]] = [:]
    for page in stride(from: range.start.rawValue, to: range.end.rawValue, by: 4096) {
      moved[page - range.start.rawValue] = spaces[space]!.privatePages[page]
    }
    clear(space, range)
    clear(space, target)
    insert(space, Region(range: target, protection: region.protection, source: region.source))
    for (offset, bytes) in moved { spaces[space]!.privatePages[target.start.rawValue + offset] = bytes }
  }

  func discard(_ space: AddressSpaceID, _ range: GuestRange) throws(MachineError) {
    check(range)
    for page in stride(from: range.start.rawValue, to: range.end.rawValue, by: 4096) {
      spaces[space]!.privatePages[page] = nil
    }
  }

  // MARK: Guest memory

  func read(_ space: AddressSpaceID, _ address: GuestAddress, _ count: Int) throws(MachineError) -> [UInt8] {
    var result: [UInt8] = []
    var at = address.rawValue
    while result.count < count {
      guard let region = region(space, at), !region.protection.isEmpty else { break }
      let page = at & ~4095
      let bytes = pageContent(space, page, region)
      let from = Int(at - page)
      let piece = min(4096 - from, count - result.count)
      result.append(contentsOf: bytes[from..<from + piece])
      at += UInt64(piece)
    }
    return result
  }

  func write(_ space: AddressSpaceID, _ address: GuestAddress, _ bytes: ArraySlice<UInt8>) throws(MachineError) -> Int {
    var done = 0
    var at = address.rawValue
    while done < bytes.count {
      guard let region = region(space, at), region.protection.contains(.write) else { break }
      let page = at & ~4095
      let from = Int(at - page)
      let piece = min(4096 - from, bytes.count - done)
      let new = bytes[(bytes.startIndex + done)..<(bytes.startIndex + done + piece)]
      if case .sharedObject(let id, let offset) = region.source {
        let start = Int(offset + page - region.range.start.rawValue) + from
        let end = min(start + piece, objects[id]!.count)
        if start < end { objects[id]!.replaceSubrange(start..<end, with: new.prefix(end - start)) }
      } else {
        var content = pageContent(space, page, region)
        content.replaceSubrange(from..<from + piece, with: new)
        spaces[space]!.privatePages[page] = content
      }
      done += piece
      at += UInt64(piece)
    }
    return done
  }

  // MARK: Memory objects

  func createObject(_ id: MemoryObjectID, size: UInt64) throws(MachineError) {
    precondition(objects[id] == nil, "an object is created twice")
    objects[id] = Array(repeating: 0, count: Int(size))
    objectsCreated += 1
  }
  func createObject(_ id: MemoryObjectID, content: [UInt8]) throws(MachineError) {
    precondition(objects[id] == nil, "an object is created twice")
    objects[id] = content
    objectsCreated += 1
  }
  func destroyObject(_ id: MemoryObjectID) {
    precondition(objects.removeValue(forKey: id) != nil, "an object is destroyed twice")
  }
  func resizeObject(_ id: MemoryObjectID, size: UInt64) throws(MachineError) {
    let old = objects[id]!.count
    if Int(size) < old {
      objects[id]!.removeLast(old - Int(size))
    } else {
      objects[id]!.append(contentsOf: repeatElement(0, count: Int(size) - old))
    }
  }
  func readObject(_ id: MemoryObjectID, offset: UInt64, _ count: Int) throws(MachineError) -> [UInt8] {
    let content = objects[id]!
    if Int(offset) >= content.count { return [] }
    return Array(content[Int(offset)..<min(content.count, Int(offset) + count)])
  }
  func writeObject(_ id: MemoryObjectID, offset: UInt64, _ bytes: ArraySlice<UInt8>) throws(MachineError) {
    precondition(Int(offset) + bytes.count <= objects[id]!.count, "a write leaves its object")
    objects[id]!.replaceSubrange(Int(offset)..<Int(offset) + bytes.count, with: bytes)
  }

  // MARK: Inside

  private func check(_ range: GuestRange) {
    precondition(range.start.isPageAligned && range.end.isPageAligned && !range.isEmpty, "bad range \(range)")
    precondition(range.end <= GuestAddress.userEnd, "range beyond user space: \(range)")
  }

  func region(_ space: AddressSpaceID, _ address: UInt64) -> Region? {
    spaces[space]?.regions.first { $0.range.contains(GuestAddress(address)) }
  }

  private func pageContent(_ space: AddressSpaceID, _ page: UInt64, _ region: Region) -> [UInt8] {
    let (id, offset): (MemoryObjectID, UInt64)
    switch region.source {
    case .anonymous: return spaces[space]!.privatePages[page] ?? Array(repeating: 0, count: 4096)
    case .privateObject(let object, let start):
      if let written = spaces[space]!.privatePages[page] { return written }
      (id, offset) = (object, start)
    case .sharedObject(let object, let start): (id, offset) = (object, start)
    }
    let content = objects[id]!
    let start = Int(offset + page - region.range.start.rawValue)
    var bytes = start < content.count ? Array(content[start..<min(content.count, start + 4096)]) : []
    bytes.append(contentsOf: repeatElement(0, count: 4096 - bytes.count))
    return bytes
  }

  private func insert(_ space: AddressSpaceID, _ region: Region) {
    let index = spaces[space]!.regions.firstIndex { $0.range.start >= region.range.end } ?? spaces[space]!.regions.count
    spaces[space]!.regions.insert(region, at: index)
  }

  /// Makes the ends of `range` ends of regions.
  private func split(_ space: AddressSpaceID, _ range: GuestRange) {
    for edge in [range.start, range.end] {
      guard let index = spaces[space]!.regions.firstIndex(where: { $0.range.start < edge && edge < $0.range.end })
      else { continue }
      let old = spaces[space]!.regions[index]
      var high = old
      high.range.start = edge
      let skipped = edge - old.range.start
      switch old.source {
      case .anonymous: break
      case .privateObject(let id, let offset): high.source = .privateObject(id, offset: offset + skipped)
      case .sharedObject(let id, let offset): high.source = .sharedObject(id, offset: offset + skipped)
      }
      spaces[space]!.regions[index].range.end = edge
      spaces[space]!.regions.insert(high, at: index + 1)
    }
  }

  private func clear(_ space: AddressSpaceID, _ range: GuestRange) {
    split(space, range)
    let gone = spaces[space]!.regions.filter { range.contains($0.range) }
    spaces[space]!.regions.removeAll { range.contains($0.range) }
    for region in gone {
      for page in stride(from: region.range.start.rawValue, to: region.range.end.rawValue, by: 4096) {
        spaces[space]!.privatePages[page] = nil
      }
    }
  }
}
