// Effects on mappings and memory: carried out by the host's machine, and noted for the code that they change.
import CLinux
import Platform
import Translator

struct SharedImageKey: Hashable {
  var object: MemoryObjectID
  var offset: UInt64
  var start: UInt64
  var length: UInt64
}

extension TranslatedMachine {
  func space(_ id: AddressSpaceID) throws(MachineError) -> SpaceCode {
    try spaces.existing(id.rawValue, "address space")
  }

  // MARK: Spaces

  public func createAddressSpace(_ id: AddressSpaceID) throws(MachineError) {
    try host.createAddressSpace(id)
    spaces.place(SpaceCode(), at: id.rawValue)
  }

  public func forkAddressSpace(_ parent: AddressSpaceID, as id: AddressSpaceID) throws(MachineError) {
    try settleStores()
    let from = try space(parent)
    try shareMirrors(of: from, parent)
    try host.forkAddressSpace(parent, as: id)
    let space = SpaceCode()
    space.mappings = from.mappings
    // Its pages are protected like the parent's; no image of its own stands for them.
    space.protectedPages = from.protectedPages
    spaces.place(space, at: id.rawValue)
    for attachment in from.attachments {
      if let shared = attachment.shared {
        // Its own: what the parent's hash table leads to is not in the child's, which is made anew.
        space.add(Attachment(attachment.range, shared, attachment.mirror))
      } else {
        try unmapMirror(attachment, in: id)
      }
    }
    if let table = from.hashTable {
      try host.enqueue(id, HostCall.munmap, [RuntimeLayout.hashTable, UInt64(table.size), 0, 0, 0, 0])
    }
  }

  public func destroyAddressSpace(_ id: AddressSpaceID) {
    spaceOfWord = nil
    guard let space = try? space(id) else { return }
    if waiting.space == id { forgetStores() }
    for attachment in space.remove(GuestRange(GuestAddress(0), .userEnd)) { release(attachment) }
    if let table = space.hashTable { pool.release(table) }
    spaces[Int(id.rawValue)] = nil
    host.destroyAddressSpace(id)
  }

  private func release(_ attachment: Attachment) {
    if attachment.isShared { return }
    arena.remove(attachment.image)
    if case .shared(let mirror) = attachment.mirror { pool.release(mirror) }
  }

  // MARK: Mappings

  public func map(
    _ id: AddressSpaceID, _ range: GuestRange, _ protection: Protection, _ source: MappingSource
  ) throws(MachineError) {
    spaceOfWord = nil
    try settleStores()
    let space = try space(id)
    precondition(range.end.rawValue <= RuntimeLayout.guestEnd, "a guest mapping reaches the platform's pages")
    if case .sharedObject(let object, _) = source { try thaw(object) }
    try forget(range, in: space, id)
    try host.map(id, range, protection, source)
    var isDirty = protection.contains(.write)
    switch source {
    case .anonymous: isDirty = true
    case .privateObject: break
    case .sharedObject(let object, _):
      isDirty = false
      if protection.contains(.write) { try noteWritable(object) }
    }
    space.mappings.insert(GuestMapping(range: range, protection: protection, source: source, isDirty: isDirty))
    // The mirror's mmap goes into the same list.
    if protection.contains(.execute), !isDirty { _ = try attachment(range.start.rawValue, space, id) }
  }

  public func unmap(_ id: AddressSpaceID, _ range: GuestRange) throws(MachineError) {
    spaceOfWord = nil
    try settleStores()
    try forget(range, in: try space(id), id)
    try host.unmap(id, range)
  }

  public func protect(_ id: AddressSpaceID, _ range: GuestRange, _ protection: Protection) throws(MachineError) {
    spaceOfWord = nil
    try settleStores()
    let space = try space(id)
    try forgetCode(range, in: space, id)
    space.mappings.change(range) { mapping in
      mapping.protection = protection
      if protection.contains(.write) {
        if case .sharedObject = mapping.source {} else { mapping.isDirty = true }
      }
    }
    for mapping in space.mappings.all[space.mappings.index(endingAfter: range.start)...] {
      if mapping.range.start >= range.end { break }
      if case .sharedObject(let object, _) = mapping.source, protection.contains(.write) { try noteWritable(object) }
    }
    try host.protect(id, range, protection)
  }

  public func remap(_ id: AddressSpaceID, _ range: GuestRange, to target: GuestRange) throws(MachineError) {
    spaceOfWord = nil
    try settleStores()
    let space = try space(id)
    var moved = space.mappings.mapping(at: range.start)?.clipped(to: range)
    // What moves takes the host's protection along.
    try invalidate(range, in: space, id)
    try forget(range, in: space, id)
    if range.start != target.start { try forget(target, in: space, id) }
    try host.remap(id, range, to: target)
    moved?.range = target
    moved?.isDirty = true
    if let moved { space.mappings.insert(moved) }
  }

  public func discard(_ id: AddressSpaceID, _ range: GuestRange) throws(MachineError) {
    spaceOfWord = nil
    try settleStores()
    try invalidate(range, in: try space(id), id)
    try host.discard(id, range)
  }

  /// Takes a range out of the books: its mappings, images and protected pages.
  private func forget(_ range: GuestRange, in space: SpaceCode, _ id: AddressSpaceID) throws(MachineError) {
    try forgetCode(range, in: space, id)
    space.mappings.remove(range)
  }

  /// Its images and protected pages. Shared images stay, for whoever maps the same bytes there again.
  private func forgetCode(_ range: GuestRange, in space: SpaceCode, _ id: AddressSpaceID) throws(MachineError) {
    // Code that ran on into the range depends on it too.
    try invalidate(GuestRange(GuestAddress(range.start.rawValue - min(range.start.rawValue, 1)), range.start), in: space, id)
    for attachment in space.remove(range) { try drop(attachment, id) }
    if !space.protectedPages.isEmpty {
      space.protectedPages = space.protectedPages.filter { !range.contains(GuestAddress($0)) }
    }
  }

  func drop(_ attachment: Attachment, _ id: AddressSpaceID) throws(MachineError) {
    try unmapMirror(attachment, in: id)
    try removeFromHashTable(attachment, id)
    if !attachment.isShared { attachment.image.flush() }
    release(attachment)
  }

  func removeFromHashTable(_ attachment: Attachment, _ id: AddressSpaceID) throws(MachineError) {
    if attachment.hashIndices.isEmpty { return }
    if let table = try space(id).hashTable {
      for index in attachment.hashIndices where attachment.image.contains(table.words[2 * index]) {
        table.words[2 * index] = 0
      }
    }
    attachment.hashIndices = []
  }

  // MARK: Code that changes

  /// Throws away what was translated from a range, and lets the guest write there again.
  func invalidate(_ range: GuestRange, in space: SpaceCode, _ id: AddressSpaceID) throws(MachineError) {
    var unprotected = range
    var start = range.start
    // The chunk before may have read on into this one.
    if let before = space.attachment(at: start.rawValue &- 1), !before.isShared, before.image.readsBeyond { start = before.range.start }
    for attachment in space.touching(GuestRange(start, range.end)) where !attachment.isShared && !attachment.image.isEmpty {
      try removeFromHashTable(attachment, id)
      attachment.image.flush()
      counters.codeWrites += 1
      unprotected = GuestRange(
        min(unprotected.start, attachment.range.start), max(unprotected.end, attachment.range.end))
    }
    try unprotect(unprotected, in: space, id)
  }

  private func unprotect(_ range: GuestRange, in space: SpaceCode, _ id: AddressSpaceID) throws(MachineError) {
    if space.protectedPages.isEmpty { return }
    for page in space.protectedPages.filter({ range.contains(GuestAddress($0)) }).sorted() {
      space.protectedPages.remove(page)
      guard let mapping = space.mappings.mapping(at: GuestAddress(page)) else { continue }
      let pageRange = GuestRange(GuestAddress(page), GuestAddress(page + GuestAddress.pageSize))
      try host.protect(id, pageRange, mapping.protection)
    }
  }

  /// Guests may store into this object by a mapping from now on.
  private func noteWritable(_ object: MemoryObjectID) throws(MachineError) {
    if !writableObjects.insert(object).inserted { return }
    try forEachMapping(of: object) { (mapping, space, id) throws(MachineError) in
      for attachment in space.remove(mapping.range) { try drop(attachment, id) }
    }
    flushImages(of: object)
  }

  func forEachMapping(
    of object: MemoryObjectID, _ body: (GuestMapping, SpaceCode, AddressSpaceID) throws(MachineError) -> Void
  ) throws(MachineError) {
    for index in spaces.indices {
      guard let space = spaces[index] else { continue }
      for mapping in space.mappings.all where mapping.source.object == object {
        try body(mapping, space, AddressSpaceID(rawValue: UInt32(index)))
      }
    }
  }

  /// An object's content changed or is about to: in these bytes, or anywhere.
  private func flushImages(of object: MemoryObjectID, _ bytes: Range<UInt64>? = nil) {
    loader?.finishLoads()
    for (key, shared) in sharedImages where key.object == object {
      if let bytes, !bytes.overlaps(key.offset..<key.offset + key.length) { continue }
      flush(shared.image)
      shared.cacheKey = nil
    }
  }

  /// The object goes, which nobody maps any more: its identifier may name another one some day.
  func dropImages(of object: MemoryObjectID) {
    loader?.finishLoads()
    for key in sharedImages.keys.filter({ $0.object == object }) {
      let shared = sharedImages.removeValue(forKey: key)!
      save(shared)
      flush(shared.image)
      arena.remove(shared.image)
      if let mirror = shared.mirror { pool.release(mirror) }
    }
  }

  /// Forgets an image's translations, wherever something leads into them.
  func flush(_ image: CodeImage) {
    loader?.finish()
    for (index, space) in spaces.enumerated() where space?.hashTable != nil {
      for attachment in space!.attachments where attachment.image === image {
        try? removeFromHashTable(attachment, AddressSpaceID(rawValue: UInt32(index)))
      }
    }
    emptyOwnMirrors(of: image)
    image.flush()
  }

  // MARK: Guest memory

  public func read(_ space: AddressSpaceID, _ address: GuestAddress, _ count: Int) throws(MachineError) -> [UInt8] {
    try settleStores()
    return try host.read(space, address, count)
  }

  public func readInteger(_ space: AddressSpaceID, _ address: GuestAddress, size: Int) throws(MachineError) -> UInt64? {
    if spaceOfWord == space, size == 4, address.rawValue == arena.gate.pointee.word_address,
      address.rawValue < RuntimeLayout.guestEnd - 4
    {
      return UInt64(arena.gate.pointee.word)
    }
    try settleStores()
    return try host.readInteger(space, address, size: size)
  }

  public func write(
    _ id: AddressSpaceID, _ address: GuestAddress, _ bytes: ArraySlice<UInt8>
  ) throws(MachineError) -> Int {
    spaceOfWord = nil
    let space = try space(id)
    if postpone(id, space, address, bytes) { return bytes.count }
    try settleStores()
    if !space.protectedPages.isEmpty, let range = GuestRange(address, length: UInt64(bytes.count)), !range.isEmpty {
      var page = range.start.pageDown
      while page < range.end {
        if space.protectedPages.contains(page.rawValue) {
          try invalidate(GuestRange(page, page + GuestAddress.pageSize), in: space, id)
        }
        page = page + GuestAddress.pageSize
      }
    }
    return try host.write(id, address, bytes)
  }

  // MARK: Objects

  public func createObject(_ id: MemoryObjectID, size: UInt64) throws(MachineError) {
    try host.createObject(id, size: size)
  }
  public func createObject(_ id: MemoryObjectID, content: [UInt8]) throws(MachineError) {
    try host.createObject(id, content: content)
  }
  public func createObject(_ id: MemoryObjectID, content: any FileBytes) throws(MachineError) {
    try host.createObject(id, content: content)
  }
  public func destroyObject(_ id: MemoryObjectID) {
    dropImages(of: id)
    writableObjects.remove(id)
    host.destroyObject(id)
  }
  /// As `PtraceMachine.copyObject`.
  public func copyObject(_ original: MemoryObjectID, as id: MemoryObjectID) throws(MachineError) {
    try host.copyObject(original, as: id)
  }

  public func resizeObject(_ id: MemoryObjectID, size: UInt64) throws(MachineError) {
    spaceOfWord = nil
    try thaw(id)
    flushImages(of: id)
    try host.resizeObject(id, size: size)
  }
  public func readObject(_ id: MemoryObjectID, offset: UInt64, _ count: Int) throws(MachineError) -> [UInt8] {
    try host.readObject(id, offset: offset, count)
  }
  public func writeObject(_ id: MemoryObjectID, offset: UInt64, _ bytes: ArraySlice<UInt8>) throws(MachineError) {
    spaceOfWord = nil
    try thaw(id)
    let end = offset.addingReportingOverflow(UInt64(bytes.count))
    flushImages(of: id, end.overflow ? nil : offset..<end.partialValue)
    try host.writeObject(id, offset: offset, bytes)
  }
}

extension TranslatedMachine {
  /// As `PtraceMachine.memoryHash`.
  public func memoryHash(_ id: AddressSpaceID) throws(MachineError) -> UInt64 {
    try settleStores()
    // The host's protections tell which pages count.
    try invalidate(GuestRange(GuestAddress(0), GuestAddress(RuntimeLayout.guestEnd)), in: try space(id), id)
    return try host.memoryHash(id)
  }
}

extension MappingSource {
  var object: MemoryObjectID? {
    switch self {
    case .anonymous: nil
    case .privateObject(let id, _), .sharedObject(let id, _): id
    }
  }
}
