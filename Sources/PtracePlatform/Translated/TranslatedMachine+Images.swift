// From a guest address to code that can run: finding or making the image that stands for it, and translating into it.
import CLinux
import Platform
import Translator

extension TranslatedMachine {
  /// Where a guest address leads.
  enum Entry {
    /// Code, as an address for guests.
    case code(UInt64)
    /// Its code cannot be kept: it is executed a few instructions at a time.
    case volatile
    /// Fetching an instruction there faults.
    case fault(Fault)
  }

  /// The entry for `pc`; translates what is missing. `counted`: the entry that counts a tick.
  func entry(_ pc: UInt64, counted: Bool, _ space: SpaceCode, _ id: AddressSpaceID) throws(MachineError) -> Entry {
    guard let attachment = try attachment(pc, space, id) else {
      if let fault = fetchFault(pc, space) { return .fault(fault) }
      return .volatile
    }
    let image = attachment.image
    // One that was made just now may still be filled.
    loader?.finishLoad(image)
    defer { space.complete(attachment) }
    if let known = counted ? image.countedEntry(pc) : image.entry(pc) { return .code(known) }
    counters.misses += 1
    if let bytes = attachment.bytes { try refresh(bytes, attachment, id) }
    var outcome = translator.entry(image, pc, counted: counted)
    if outcome == .full {
      flush(image)
      outcome = translator.entry(image, pc, counted: counted)
    }
    counters.instructionsTranslated = UInt64(translator.instructionsTranslated)
    switch outcome {
    case .entry(let code):
      if attachment.bytes != nil { try protectRead(attachment, space, id) }
      return .code(code)
    case .cutOff:
      // The first byte that cannot be fetched.
      let end = image.start + UInt64(image.available)
      return .fault(fetchFault(end, space) ?? Fault(signal: 11, code: 1, address: GuestAddress(end)))
    case .full: throw MachineError("code at \(GuestAddress(pc)) does not fit its image")
    }
  }

  /// Why nothing can be fetched at `pc`; nil when something can.
  func fetchFault(_ pc: UInt64, _ space: SpaceCode) -> Fault? {
    guard pc < RuntimeLayout.guestEnd, let mapping = space.mappings.mapping(at: GuestAddress(pc)) else {
      // A non-canonical address is a general protection fault.
      if pc >> 47 != 0 && pc >> 47 != 0x1ffff { return Fault(signal: 11, code: 128, address: GuestAddress(0)) }
      if VsyscallPage.contains(pc) { return Fault(signal: 11, code: 128, address: GuestAddress(0)) }
      return Fault(signal: 11, code: 1, address: GuestAddress(pc))
    }
    if mapping.protection.contains(.execute) { return nil }
    return Fault(signal: 11, code: 2, address: GuestAddress(pc))
  }

  /// The image for `pc`, made when there is none. nil where code cannot be fetched or cannot be kept.
  func attachment(_ pc: UInt64, _ space: SpaceCode, _ id: AddressSpaceID) throws(MachineError) -> Attachment? {
    if let known = space.attachment(at: pc) { return known }
    guard fetchFault(pc, space) == nil, let mapping = space.mappings.mapping(at: GuestAddress(pc)) else { return nil }
    if let object = mapping.source.object, writableObjects.contains(object) { return nil }
    if mapping.isDirty { return try attachPrivate(pc, mapping, space, id) }
    return try attachShared(space, id, mapping)
  }

  // MARK: Shared images

  private func attachShared(_ space: SpaceCode, _ id: AddressSpaceID, _ mapping: GuestMapping) throws(MachineError) -> Attachment? {
    guard let shared = try sharedImage(mapping) else { return nil }
    let attachment = Attachment(mapping.range, shared, try mirrorPiece(of: shared))
    space.add(attachment)
    try mapMirror(attachment, in: id)
    return attachment
  }

  private func sharedImage(_ mapping: GuestMapping) throws(MachineError) -> SharedImage? {
    let objectID: MemoryObjectID, offset: UInt64
    switch mapping.source {
    case .anonymous: return nil
    case .privateObject(let id, let start), .sharedObject(let id, let start): (objectID, offset) = (id, start)
    }
    let key = SharedImageKey(
      object: objectID, offset: offset, start: mapping.range.start.rawValue, length: mapping.range.length)
    if let known = sharedImages[key] { return known }
    let object = try host.object(objectID)
    // Pages beyond the object's end are not code: fetching there is a SIGBUS, which comes as the mapping's own fault.
    let pages = (object.size + GuestAddress.pageSize - 1) & ~(GuestAddress.pageSize - 1)
    guard offset < pages else { return nil }
    let available = Int(min(mapping.range.length, pages - offset))
    guard let view = rsb_memfd_map(object.descriptor, offset, available, 0) else { throw MachineError("mmap of guest code") }
    let length = Int(mapping.range.length)
    let size = reserve(for: length)
    guard let room = arena.allocate(size) else { throw MachineError("the guest's programs have too much code") }
    let image = CodeImage(
      start: mapping.range.start.rawValue, length: length, source: view.assumingMemoryBound(to: UInt8.self),
      available: available, address: room.address, code: room.code, reserve: size, mirror: nil)
    image.populate = { place, bytes in rsb_memory_populate(place, bytes) }
    let shared = SharedImage(image, view: view, offset: offset, available, object)
    arena.add(image)
    sharedImages[key] = shared
    load(shared)
    return shared
  }

  // MARK: Private images

  private func attachPrivate(
    _ pc: UInt64, _ mapping: GuestMapping, _ space: SpaceCode, _ id: AddressSpaceID
  ) throws(MachineError) -> Attachment {
    let chunk = GuestAddress(pc & ~(SpaceCode.chunkSize - 1))
    let range = GuestRange(chunk, chunk + SpaceCode.chunkSize).intersection(mapping.range)!
    let bytes = GuestBytes(count: Int(range.length) + 16)
    // One size for all, so that pieces of arena and mirror fit the next one.
    let size = reserve(for: Int(SpaceCode.chunkSize))
    guard let room = arena.allocate(size) else { throw MachineError("the guest makes too much code") }
    let mirror = range.end.rawValue > RuntimeLayout.window ? nil : try pool.allocate(Int(range.length) * 8)
    let image = CodeImage(
      start: range.start.rawValue, length: Int(range.length), source: UnsafePointer(bytes.pointer),
      available: Int(range.length), address: room.address, code: room.code, reserve: size, mirror: mirror?.words)
    arena.add(image)
    let attachment = Attachment(range, image, mirror.map { .shared($0) } ?? .none, bytes: bytes)
    space.add(attachment)
    try mapMirror(attachment, in: id)
    return attachment
  }

  /// Fetches the guest's bytes, with some beyond the image where the guest can execute them.
  func refresh(_ bytes: GuestBytes, _ attachment: Attachment, _ id: AddressSpaceID) throws(MachineError) {
    let stub = try host.stub(id)
    if !stub.queue.isEmpty { try stub.flush() }
    let end = attachment.range.end
    let goesOn = try space(id).mappings.mapping(at: end)?.protection.contains(.execute) ?? false
    let wanted = Int(attachment.range.length) + (goesOn ? 16 : 0)
    let count = rsb_process_read(stub.pid, bytes.pointer, attachment.range.start.rawValue, wanted)
    attachment.image.available = max(0, count)
  }

  /// Keeps the guest from writing unseen to pages that were translated.
  private func protectRead(_ attachment: Attachment, _ space: SpaceCode, _ id: AddressSpaceID) throws(MachineError) {
    let image = attachment.image
    for index in image.pagesRead.indices where image.pagesRead[index] {
      let page = attachment.range.start + UInt64(index) * GuestAddress.pageSize
      if space.protectedPages.contains(page.rawValue) { continue }
      guard let mapping = space.mappings.mapping(at: page), mapping.protection.contains(.write) else { continue }
      space.protectedPages.insert(page.rawValue)
      try host.protect(
        id, GuestRange(page, page + GuestAddress.pageSize), mapping.protection.subtracting(.write).union(.read))
    }
    let stub = try host.stub(id)
    if !stub.queue.isEmpty { try stub.flush() }
  }

  // MARK: The hash table

  /// Makes the dispatch blob find `target`, above the window, at `code`.
  func addToHashTable(_ target: UInt64, _ code: UInt64, _ space: SpaceCode, _ id: AddressSpaceID) throws(MachineError) {
    let size = RuntimeLayout.hashEntries * 16
    if space.hashTable == nil {
      let table = try pool.allocate(size)
      space.hashTable = table
      let readOnly: UInt64 = 1
      try host.enqueue(
        id, HostCall.mmap,
        [
          RuntimeLayout.hashTable, UInt64(size), readOnly,
          HostFlag.mapShared | HostFlag.mapFixed | HostFlag.mapNoReserve, 0, table.offset,
        ], object: pool.file)
      let stub = try host.stub(id)
      try stub.flush()
    }
    let index = RuntimeLayout.hashIndex(target)
    space.hashTable!.words[2 * index] = target
    space.hashTable!.words[2 * index + 1] = code
    space.attachment(at: target)?.hashIndices.append(index)
  }
}
