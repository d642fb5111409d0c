// Mappings and memory: all the host machine's; noted is what can be executed.
import Platform

extension SteppedMachine {
  public func createAddressSpace(_ id: AddressSpaceID) throws(MachineError) {
    try host.createAddressSpace(id)
    spaces.place(SteppedSpace(), at: id.rawValue)
  }

  public func forkAddressSpace(_ parent: AddressSpaceID, as id: AddressSpaceID) throws(MachineError) {
    let child = SteppedSpace()
    child.mappings = try space(parent).mappings
    try host.forkAddressSpace(parent, as: id)
    spaces.place(child, at: id.rawValue)
  }

  public func destroyAddressSpace(_ id: AddressSpaceID) {
    guard (try? space(id)) != nil else { return }
    spaces[Int(id.rawValue)] = nil
    host.destroyAddressSpace(id)
  }

  public func map(
    _ id: AddressSpaceID, _ range: GuestRange, _ protection: Protection, _ source: MappingSource
  ) throws(MachineError) {
    try host.map(id, range, protection, source)
    try space(id).mappings.insert(GuestMapping(range: range, protection: protection, source: source, isDirty: true))
  }

  public func unmap(_ id: AddressSpaceID, _ range: GuestRange) throws(MachineError) {
    try host.unmap(id, range)
    try space(id).mappings.remove(range)
  }

  public func protect(_ id: AddressSpaceID, _ range: GuestRange, _ protection: Protection) throws(MachineError) {
    try host.protect(id, range, protection)
    try space(id).mappings.change(range) { $0.protection = protection }
  }

  public func remap(_ id: AddressSpaceID, _ range: GuestRange, to target: GuestRange) throws(MachineError) {
    let space = try space(id)
    var moved = space.mappings.mapping(at: range.start)
    try host.remap(id, range, to: target)
    space.mappings.remove(range)
    space.mappings.remove(target)
    moved?.range = target
    if let moved { space.mappings.insert(moved) }
  }

  public func discard(_ id: AddressSpaceID, _ range: GuestRange) throws(MachineError) { try host.discard(id, range) }

  public func read(_ space: AddressSpaceID, _ address: GuestAddress, _ count: Int) throws(MachineError) -> [UInt8] {
    try host.read(space, address, count)
  }
  public func write(
    _ space: AddressSpaceID, _ address: GuestAddress, _ bytes: ArraySlice<UInt8>
  ) throws(MachineError) -> Int {
    try host.write(space, address, bytes)
  }
  public func memoryHash(_ space: AddressSpaceID) throws(MachineError) -> UInt64 { try host.memoryHash(space) }

  public func createObject(_ id: MemoryObjectID, size: UInt64) throws(MachineError) {
    try host.createObject(id, size: size)
  }
  public func createObject(_ id: MemoryObjectID, content: [UInt8]) throws(MachineError) {
    try host.createObject(id, content: content)
  }
  public func createObject(_ id: MemoryObjectID, content: any FileBytes) throws(MachineError) {
    try host.createObject(id, content: content)
  }
  public func destroyObject(_ id: MemoryObjectID) { host.destroyObject(id) }
  public func resizeObject(_ id: MemoryObjectID, size: UInt64) throws(MachineError) {
    try host.resizeObject(id, size: size)
  }
  public func readObject(_ id: MemoryObjectID, offset: UInt64, _ count: Int) throws(MachineError) -> [UInt8] {
    try host.readObject(id, offset: offset, count)
  }
  public func writeObject(_ id: MemoryObjectID, offset: UInt64, _ bytes: ArraySlice<UInt8>) throws(MachineError) {
    try host.writeObject(id, offset: offset, bytes)
  }
}
