// Mappings (queued, carried out as one list) and guest memory.
import CLinux
import Platform

extension Protection {
  /// As the host gets it: on x86 writable or executable pages can be read, so say so, or protection keys and
  /// process_vm_readv would treat them differently from one machine to another.
  fileprivate var hostBits: UInt64 { rawValue == 0 ? 0 : UInt64(rawValue | Protection.read.rawValue) }
}

extension PtraceMachine {
  private func checkMappable(_ range: GuestRange) throws(MachineError) {
    precondition(range.start.isPageAligned && range.end.isPageAligned && !range.isEmpty, "bad range \(range)")
    if range.end > Self.reservedRange.start {
      throw MachineError("range \(range) reaches the stub's pages at \(Self.reservedRange)")
    }
  }

  /// The part of a range below our own pages; unmapping a whole space may name them.
  private func clipped(_ range: GuestRange) -> GuestRange? {
    precondition(range.start.isPageAligned && range.end.isPageAligned && !range.isEmpty, "bad range \(range)")
    let limit = Self.reservedRange.start
    if range.start >= limit { return nil }
    return GuestRange(range.start, min(range.end, limit))
  }

  public func map(
    _ space: AddressSpaceID, _ range: GuestRange, _ protection: Protection, _ source: MappingSource
  ) throws(MachineError) {
    try checkMappable(range)
    let stub = try stub(space)
    var flags = HostFlag.mapFixed | HostFlag.mapNoReserve
    var file: MemoryObject?
    var start: UInt64 = 0
    switch source {
    case .anonymous:
      flags |= HostFlag.mapPrivate | HostFlag.mapAnonymous
    case .privateObject(let id, let offset):
      flags |= HostFlag.mapPrivate
      (file, start) = (try object(id), offset)
    case .sharedObject(let id, let offset):
      flags |= HostFlag.mapShared
      (file, start) = (try object(id), offset)
    }
    let descriptor: UInt64 = file == nil ? ~0 : 0
    stub.enqueue(
      PendingCall(
        number: HostCall.mmap,
        arguments: [range.start.rawValue, range.length, protection.hostBits, flags, descriptor, start], object: file))
  }

  public func unmap(_ space: AddressSpaceID, _ range: GuestRange) throws(MachineError) {
    guard let range = clipped(range) else { return }
    try enqueue(space, HostCall.munmap, [range.start.rawValue, range.length, 0, 0, 0, 0])
  }

  public func protect(_ space: AddressSpaceID, _ range: GuestRange, _ protection: Protection) throws(MachineError) {
    try checkMappable(range)
    try enqueue(space, HostCall.mprotect, [range.start.rawValue, range.length, protection.hostBits, 0, 0, 0])
  }

  public func remap(_ space: AddressSpaceID, _ range: GuestRange, to target: GuestRange) throws(MachineError) {
    try checkMappable(range)
    try checkMappable(target)
    precondition(target.length >= range.length, "remap never shrinks")
    let start = range.start.rawValue
    if range.start == target.start {
      if range.length == target.length { return }
      let grown = GuestRange(range.end, target.end)
      try enqueue(space, HostCall.munmap, [grown.start.rawValue, grown.length, 0, 0, 0, 0])
      return try enqueue(space, HostCall.mremap, [start, range.length, target.length, 0, 0, 0])
    }
    let flags = HostFlag.remapMayMove | HostFlag.remapFixed
    try enqueue(space, HostCall.mremap, [start, range.length, target.length, flags, target.start.rawValue, 0])
  }

  public func discard(_ space: AddressSpaceID, _ range: GuestRange) throws(MachineError) {
    try checkMappable(range)
    try enqueue(space, HostCall.madvise, [range.start.rawValue, range.length, HostFlag.adviseDontNeed, 0, 0, 0])
  }

  func enqueue(
    _ space: AddressSpaceID, _ number: UInt64, _ arguments: InlineArray<6, UInt64>, object: MemoryObject? = nil
  ) throws(MachineError) {
    try stub(space).enqueue(PendingCall(number: number, arguments: arguments, object: object))
  }

  // MARK: Bytes

  /// How much of a request lies below our own pages.
  private func visible(_ address: GuestAddress, _ count: Int) -> Int {
    let limit = Self.reservedRange.start
    if address >= limit || count <= 0 { return 0 }
    return Int(min(UInt64(count), limit - address))
  }

  public func read(_ space: AddressSpaceID, _ address: GuestAddress, _ count: Int) throws(MachineError) -> [UInt8] {
    let stub = try stub(space)
    if !stub.queue.isEmpty { try stub.flush() }
    let wanted = visible(address, count)
    if wanted == 0 { return [] }
    var failure = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, initialized in
      let result = rsb_process_read(stub.pid, buffer.baseAddress, address.rawValue, wanted)
      initialized = max(0, result)
      failure = min(0, result)
    }
    try refuseUnlessFault(failure, stub)
    return bytes
  }

  public func readInteger(_ space: AddressSpaceID, _ address: GuestAddress, size: Int) throws(MachineError) -> UInt64? {
    precondition(size <= 8)
    let stub = try stub(space)
    if !stub.queue.isEmpty { try stub.flush() }
    if visible(address, size) < size { return nil }
    var value: UInt64 = 0
    let result = rsb_process_read(stub.pid, &value, address.rawValue, size)
    try refuseUnlessFault(min(0, result), stub)
    return result < size ? nil : UInt64(littleEndian: value)
  }

  public func write(
    _ space: AddressSpaceID, _ address: GuestAddress, _ bytes: ArraySlice<UInt8>
  ) throws(MachineError) -> Int {
    let stub = try stub(space)
    if !stub.queue.isEmpty { try stub.flush() }
    let wanted = visible(address, bytes.count)
    if wanted == 0 { return 0 }
    let result = bytes.withUnsafeBytes { rsb_process_write(stub.pid, $0.baseAddress, address.rawValue, wanted) }
    try refuseUnlessFault(min(0, result), stub)
    return max(0, result)
  }

  /// EFAULT is the guest's; anything else means that the host took the process or the permission away.
  private func refuseUnlessFault(_ error: Int, _ stub: Stub) throws(MachineError) {
    if error == 0 || error == -14 { return }
    throw MachineError("memory of stub \(stub.pid): \(describe(errno: -error))")
  }

  // MARK: Objects

  func object(_ id: MemoryObjectID) throws(MachineError) -> MemoryObject {
    try objects.existing(id.rawValue, "memory object")
  }

  public func createObject(_ id: MemoryObjectID, size: UInt64) throws(MachineError) {
    let file = Int32(try checked(rsb_memfd_make("replaysb"), "memfd_create"))
    let object = MemoryObject(descriptor: file, size: size)
    try checked(rsb_memfd_resize(file, size), "size of a memory object")
    objects.place(object, at: id.rawValue)
  }

  public func createObject(_ id: MemoryObjectID, content: [UInt8]) throws(MachineError) {
    try createObject(id, size: UInt64(content.count))
    if content.isEmpty { return }
    let file = try object(id).descriptor
    try checked(rsb_memfd_pwrite(file, content, content.count, 0), "content of a memory object")
  }

  public func destroyObject(_ id: MemoryObjectID) { objects.vacate(id.rawValue) }

  /// A new object with the size and content of another. Its holes stay holes.
  public func copyObject(_ original: MemoryObjectID, as id: MemoryObjectID) throws(MachineError) {
    try createObject(id, copyOf: try object(original))
  }

  func createObject(_ id: MemoryObjectID, copyOf from: MemoryObject) throws(MachineError) {
    try createObject(id, size: from.size)
    let copied = rsb_memfd_copy(from.descriptor, try object(id).descriptor, from.size)
    if copied < 0 { destroyObject(id) }
    try checked(copied, "copy of a memory object")
  }

  public func resizeObject(_ id: MemoryObjectID, size: UInt64) throws(MachineError) {
    let object = try object(id)
    precondition(!object.isFrozen)
    try checked(rsb_memfd_resize(object.descriptor, size), "size of a memory object")
    object.size = size
  }

  public func readObject(_ id: MemoryObjectID, offset: UInt64, _ count: Int) throws(MachineError) -> [UInt8] {
    let object = try object(id)
    if offset >= object.size || count <= 0 { return [] }
    let wanted = Int(min(UInt64(count), object.size - offset))
    var bytes = [UInt8](repeating: 0, count: wanted)
    let result = rsb_memfd_pread(object.descriptor, &bytes, wanted, offset)
    bytes.removeLast(wanted - (try checked(result, "read of a memory object")))
    return bytes
  }

  public func writeObject(
    _ id: MemoryObjectID, offset: UInt64, _ bytes: ArraySlice<UInt8>
  ) throws(MachineError) {
    let object = try object(id)
    precondition(!object.isFrozen)
    let result = bytes.withUnsafeBytes { rsb_memfd_pwrite(object.descriptor, $0.baseAddress, $0.count, offset) }
    try checked(result, "write of a memory object")
    object.size = max(object.size, offset + UInt64(bytes.count))
  }
}
