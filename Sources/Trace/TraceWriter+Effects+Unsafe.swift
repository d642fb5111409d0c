// The effects of the kernel, one method each, with the names of `Machine`.
// Unsafe because content is copied from the caller's array into the mapped block by pointer; `ByteSink.raw` checks that
// it fits, and pieces are cut at `TraceFormat.contentLimit` (of files: `filePieceLimit`) before.
import Platform

extension TraceWriter {
  // MARK: Contexts

  public func createContext(_ id: ContextID, extendedState: ExtendedStateSource) throws(TraceError) {
    switch extendedState {
    case .initial:
      try begin(.createContext)
      sink.varint(UInt64(id.rawValue))
    case .copy(let original):
      try begin(.copyContext)
      sink.varint(UInt64(id.rawValue))
      sink.varint(UInt64(original.rawValue))
    }
    commit()
  }

  public func destroyContext(_ id: ContextID) throws(TraceError) { try identifier(.destroyContext, id.rawValue) }

  /// At most `TraceFormat.contentLimit` bytes, which no processor's state exceeds.
  public func setExtendedState(of context: ContextID, _ bytes: [UInt8]) throws(TraceError) {
    precondition(bytes.count <= TraceFormat.contentLimit)
    try begin(.setExtendedState)
    sink.varint(UInt64(context.rawValue))
    bytes.withUnsafeBytes { content($0) }
    commit()
  }

  // MARK: Address spaces

  public func createAddressSpace(_ id: AddressSpaceID) throws(TraceError) {
    try identifier(.createAddressSpace, id.rawValue)
  }

  public func forkAddressSpace(_ parent: AddressSpaceID, as id: AddressSpaceID) throws(TraceError) {
    try begin(.forkAddressSpace)
    sink.varint(UInt64(parent.rawValue))
    sink.varint(UInt64(id.rawValue))
    commit()
  }

  /// `memoryHash`: of the writable memory that goes, 0 when none was taken.
  public func destroyAddressSpace(_ id: AddressSpaceID, memoryHash: UInt64) throws(TraceError) {
    try begin(.destroyAddressSpace)
    sink.varint(UInt64(id.rawValue))
    sink.word(memoryHash)
    commit()
  }

  public func map(
    _ id: AddressSpaceID, _ range: GuestRange, _ protection: Protection, _ source: MappingSource
  ) throws(TraceError) {
    switch source {
    case .anonymous: try begin(.mapAnonymous)
    case .privateObject: try begin(.mapPrivate)
    case .sharedObject: try begin(.mapShared)
    }
    space(id)
    self.range(range)
    sink.byte(protection.rawValue)
    switch source {
    case .anonymous: break
    case .privateObject(let object, let offset), .sharedObject(let object, let offset):
      self.object(object)
      sink.varint(offset)
    }
    commit()
  }

  public func unmap(_ id: AddressSpaceID, _ range: GuestRange) throws(TraceError) {
    try begin(.unmap)
    space(id)
    self.range(range)
    commit()
  }

  public func protect(_ id: AddressSpaceID, _ range: GuestRange, _ protection: Protection) throws(TraceError) {
    try begin(.protect)
    space(id)
    self.range(range)
    sink.byte(protection.rawValue)
    commit()
  }

  public func remap(_ id: AddressSpaceID, _ range: GuestRange, to target: GuestRange) throws(TraceError) {
    try begin(.remap)
    space(id)
    self.range(range)
    self.range(target)
    commit()
  }

  public func discard(_ id: AddressSpaceID, _ range: GuestRange) throws(TraceError) {
    try begin(.discard)
    space(id)
    self.range(range)
    commit()
  }

  // MARK: Memory

  /// A write into guest memory, of the bytes that were really stored. Split into records at `contentLimit`.
  public func memoryWrite(
    _ id: AddressSpaceID, _ address: GuestAddress, _ bytes: ArraySlice<UInt8>
  ) throws(TraceError) {
    var at = bytes.startIndex
    while at < bytes.endIndex {
      let end = min(at + TraceFormat.contentLimit, bytes.endIndex)
      try begin(.memoryWrite)
      space(id)
      self.address(address + UInt64(at - bytes.startIndex))
      bytes[at..<end].withUnsafeBytes { content($0) }
      commit()
      at = end
    }
  }

  public func createObject(_ id: MemoryObjectID, size: UInt64) throws(TraceError) {
    try begin(.createObject)
    object(id)
    sink.varint(size)
    commit()
    noteSize(of: id, size)
  }

  /// An object with content: its size, then all of its content.
  public func createObject(_ id: MemoryObjectID, content bytes: [UInt8]) throws(TraceError) {
    try createObject(id, size: UInt64(bytes.count))
    try embed(id, offset: 0, bytes[...])
  }

  /// Content of a file that an object shows: the pieces that are not zero, each embedded once in the trace.
  public func embed(_ id: MemoryObjectID, offset: UInt64, _ bytes: ArraySlice<UInt8>) throws(TraceError) {
    try bytes.withUnsafeBufferPointer { (bytes) throws(TraceError) in
      try embed(id, offset, UnsafeRawBufferPointer(bytes), keptBy: nil)
    }
  }

  /// The same for a part of the content, at its place in the object. Before the content is changed, see `settle`.
  public func embed(_ id: MemoryObjectID, _ content: any FileBytes, _ range: Range<Int>) throws(TraceError) {
    if let place = content.place {
      return try embed(id, UInt64(range.lowerBound), UnsafeRawBufferPointer(rebasing: place[range]), keptBy: content)
    }
    try content.withBytes(range) { (bytes) throws(TraceError) in
      try embed(id, UInt64(range.lowerBound), bytes, keptBy: nil)
    }
  }

  private func embed(
    _ id: MemoryObjectID, _ offset: UInt64, _ bytes: UnsafeRawBufferPointer, keptBy owner: (any FileBytes)?
  ) throws(TraceError) {
    var at = 0
    while at < bytes.count {
      let end = min(at + TraceFormat.filePieceLimit, bytes.count)
      let piece = UnsafeRawBufferPointer(rebasing: bytes[at..<end])
      let start = offset &+ UInt64(at)
      // A whole piece whose hash is known is not looked at: it may not be in memory yet.
      let hash = owner?.knownHash(Int(start)..<Int(start) + piece.count)
      let isZero =
        if let hash, piece.count == TraceFormat.filePieceLimit { hash == Self.hashOfZeroPiece } else {
          piece.allSatisfy { $0 == 0 }
        }
      if !isZero { try filePiece(id, start, piece, hash ?? ContentHash(piece), keptBy: owner) }
      at = end
    }
  }

  static let hashOfZeroPiece = [UInt8](repeating: 0, count: TraceFormat.filePieceLimit).withUnsafeBytes { ContentHash($0) }

  /// One record, of at most `filePieceLimit` bytes.
  func filePiece(_ id: MemoryObjectID, _ offset: UInt64, _ bytes: [UInt8]) throws(TraceError) {
    try bytes.withUnsafeBufferPointer { (bytes) throws(TraceError) in
      let bytes = UnsafeRawBufferPointer(bytes)
      try filePiece(id, offset, bytes, ContentHash(bytes), keptBy: nil)
    }
  }

  private func filePiece(
    _ id: MemoryObjectID, _ offset: UInt64, _ bytes: UnsafeRawBufferPointer, _ hash: ContentHash, keptBy owner: (any FileBytes)?
  ) throws(TraceError) {
    let isLarge = bytes.count >= TraceFormat.filePieceMinimum
    if let owner, isLarge, contents.place(of: hash) == nil { return try pieceApart(id, offset, bytes, hash, keptBy: owner) }
    makeRoom(forFilePiece: bytes.count)
    try begin(.objectWrite)
    object(id)
    sink.varint(offset)
    if bytes.count < TraceFormat.sharedContentMinimum {
      content(bytes)
    } else if !reference(to: hash, bytes.count) {
      startContent(hash, bytes.count, isFile: true)
      let level = pieceLevel(id, bytes.count)
      if isLarge { notePiece(FilePiece(offset: sink.count, length: bytes.count, hash: hash, level: level)) }
      sink.raw(bytes)
    }
    commit()
  }

  /// The same in a block of its own, of bytes that stay where they are.
  private func pieceApart(
    _ id: MemoryObjectID, _ offset: UInt64, _ bytes: UnsafeRawBufferPointer, _ hash: ContentHash, keptBy owner: any FileBytes
  ) throws(TraceError) {
    try check()
    beginBlockApart()
    sink.byte(RecordTag.objectWrite.rawValue)
    object(id)
    sink.varint(offset)
    startContent(hash, bytes.count, isFile: true)
    let piece = FilePiece(offset: sink.count, length: bytes.count, hash: hash, level: pieceLevel(id, bytes.count))
    endBlockApart(piece, bytes, keptBy: owner)
  }

  public func destroyObject(_ id: MemoryObjectID) throws(TraceError) {
    try begin(.destroyObject)
    object(id)
    commit()
  }

  public func resizeObject(_ id: MemoryObjectID, size: UInt64) throws(TraceError) {
    try begin(.resizeObject)
    object(id)
    sink.varint(size)
    commit()
  }

  public func writeObject(_ id: MemoryObjectID, offset: UInt64, _ bytes: ArraySlice<UInt8>) throws(TraceError) {
    var at = bytes.startIndex
    while at < bytes.endIndex {
      let end = min(at + TraceFormat.contentLimit, bytes.endIndex)
      try begin(.objectWrite)
      object(id)
      sink.varint(offset &+ UInt64(at - bytes.startIndex))
      bytes[at..<end].withUnsafeBytes { content($0) }
      commit()
      at = end
    }
  }

  // MARK: Fields

  private func identifier(_ tag: RecordTag, _ id: UInt32) throws(TraceError) {
    try begin(tag)
    sink.varint(UInt64(id))
    commit()
  }

  func space(_ id: AddressSpaceID) {
    sink.delta(UInt64(id.rawValue), from: UInt64(state.lastSpace))
    state.lastSpace = id.rawValue
  }

  func object(_ id: MemoryObjectID) {
    sink.delta(UInt64(id.rawValue), from: UInt64(state.lastObject))
    state.lastObject = id.rawValue
  }

  func address(_ address: GuestAddress) {
    sink.delta(address.rawValue, from: state.lastAddress)
    state.lastAddress = address.rawValue
  }

  func range(_ range: GuestRange) {
    address(range.start)
    sink.varint(range.length)
  }

  /// Content: length * 2 and the bytes, or length * 2 + 1 and where they stand (blocks back, offset in the block's
  /// records).
  func content(_ bytes: UnsafeRawBufferPointer) {
    if bytes.count < TraceFormat.sharedContentMinimum {
      sink.varint(UInt64(bytes.count) << 1)
    } else {
      let hash = ContentHash(bytes)
      if reference(to: hash, bytes.count) { return }
      startContent(hash, bytes.count, isFile: false)
    }
    sink.raw(bytes)
  }

  /// Says where the trace has bytes, if it does.
  private func reference(to hash: ContentHash, _ count: Int) -> Bool {
    guard let known = contents.place(of: hash) else { return false }
    sink.varint(UInt64(count) << 1 | 1)
    sink.varint(UInt64(blockNumber - known.block))
    sink.varint(UInt64(known.offset))
    return true
  }

  /// What stands before new bytes that are not few, which are to follow.
  private func startContent(_ hash: ContentHash, _ count: Int, isFile: Bool) {
    sink.varint(UInt64(count) << 1)
    contents.remember(hash, isFile: isFile, block: blockNumber, offset: sink.count)
  }
}
