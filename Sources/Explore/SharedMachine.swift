// One machine for many executions, one after the other or side by side: who uses which of its identifiers, and memory objects
// that serve all of them.

import Platform
import PtracePlatform

/// A machine that can copy a memory object by itself.
protocol ObjectCopying: Machine {
  /// A new object with the size and content of another.
  func copyObject(_ original: MemoryObjectID, as id: MemoryObjectID) throws(MachineError)
}

extension PtraceMachine: ObjectCopying {}
extension TranslatedMachine: ObjectCopying {}

/// What the branches of a machine have in common. Used on the machine's own thread.
public final class SharedMachine {
  let machine: any Machine
  let observing: (any ObservingMachine)?
  private var spaceNumbers = FreeNumbers()
  private var contextNumbers = FreeNumbers()
  private var objectNumbers = FreeNumbers()
  /// Objects made of content that repeats (programs, libraries, the vdso): nobody changes them, a branch copies them first.
  private var contents: [ContentKey: (object: MemoryObjectID, content: [UInt8])] = [:]
  private var contentBytes = 0

  /// Bytes of such objects at most; what comes later belongs to its branch.
  private static let contentBytesMax = 1 << 30

  public init(_ machine: any Machine) {
    self.machine = machine
    observing = machine as? any ObservingMachine
  }

  /// What guests touch, run by run, while the machine logs it.
  weak var watcher: (any GuestWatcher)?

  /// How many spaces, contexts and objects there are now.
  public var counts: (spaces: Int, contexts: Int, objects: Int) {
    (spaceNumbers.count, contextNumbers.count, objectNumbers.count)
  }

  /// Gives up the objects that it keeps. All branches must have ended.
  public func end() {
    for (object, _) in contents.values { destroyObject(object) }
    contents = [:]
    contentBytes = 0
  }

  // MARK: Identifiers

  func newSpace() -> AddressSpaceID { AddressSpaceID(rawValue: spaceNumbers.take()) }
  func newContext() -> ContextID { ContextID(rawValue: contextNumbers.take()) }
  func newObject() -> MemoryObjectID { MemoryObjectID(rawValue: objectNumbers.take()) }

  /// Make something under a new identifier, which is free again when that fails.
  func makeSpace(_ body: (AddressSpaceID) throws(MachineError) -> Void) throws(MachineError) -> AddressSpaceID {
    let id = newSpace()
    do throws(MachineError) { try body(id) } catch {
      spaceNumbers.giveBack(id.rawValue)
      throw error
    }
    return id
  }

  func makeContext(_ body: (ContextID) throws(MachineError) -> Void) throws(MachineError) -> ContextID {
    let id = newContext()
    do throws(MachineError) { try body(id) } catch {
      contextNumbers.giveBack(id.rawValue)
      throw error
    }
    return id
  }

  func makeObject(_ body: (MemoryObjectID) throws(MachineError) -> Void) throws(MachineError) -> MemoryObjectID {
    let id = newObject()
    do throws(MachineError) { try body(id) } catch {
      objectNumbers.giveBack(id.rawValue)
      throw error
    }
    return id
  }

  func destroySpace(_ id: AddressSpaceID) {
    machine.destroyAddressSpace(id)
    spaceNumbers.giveBack(id.rawValue)
  }

  func destroyContext(_ id: ContextID) {
    machine.destroyContext(id)
    contextNumbers.giveBack(id.rawValue)
  }

  func destroyObject(_ id: MemoryObjectID) {
    machine.destroyObject(id)
    objectNumbers.giveBack(id.rawValue)
  }

  // MARK: Objects

  /// The object of this content that all branches share; nil when it is not kept.
  func object(of content: [UInt8]) throws(MachineError) -> MemoryObjectID? {
    if content.isEmpty { return nil }
    let key = ContentKey(content)
    if let known = contents[key] { return known.object }
    if contentBytes + content.count > Self.contentBytesMax { return nil }
    let object = try makeObject { (id) throws(MachineError) in try machine.createObject(id, content: content) }
    contents[key] = (object, content)
    contentBytes += content.count
    return object
  }

  /// A new object with the content of another, of `size` bytes.
  func copyObject(_ original: MemoryObjectID, size: UInt64) throws(MachineError) -> MemoryObjectID {
    try makeObject { (id) throws(MachineError) in
      if let copying = machine as? any ObjectCopying { return try copying.copyObject(original, as: id) }
      try machine.createObject(id, size: size)
      var offset: UInt64 = 0
      while offset < size {
        let bytes = try machine.readObject(original, offset: offset, Int(min(1 << 20, size - offset)))
        if bytes.isEmpty { break }
        try machine.writeObject(id, offset: offset, bytes[...])
        offset += UInt64(bytes.count)
      }
    }
  }
}

/// Names content by where it lies: the arrays of `HostCache` stay in place for as long as they are kept, and comparing
/// megabytes for each file of each execution would cost more than it saves.
private struct ContentKey: Hashable {
  private let address: UInt
  private let count: Int
  init(_ content: [UInt8]) {
    address = content.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
    count = content.count
  }
}

/// Numbers from 1 on, the last one given back first.
private struct FreeNumbers {
  private var last: UInt32 = 0
  private var free: [UInt32] = []

  /// How many are taken.
  var count: Int { Int(last) - free.count }

  mutating func take() -> UInt32 {
    if let known = free.popLast() { return known }
    last += 1
    return last
  }

  mutating func giveBack(_ number: UInt32) { free.append(number) }
}
