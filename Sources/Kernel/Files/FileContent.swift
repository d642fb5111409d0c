// The bytes of a regular file. Three stores follow each other in a file's life: the host's file, read on demand; chunks
// in memory once the guest wrote to it (or made it); and a memory object of the machine once a writable description was
// mapped, so that read, write and shared mappings see the same bytes. A file of the host that is only mapped and read
// keeps its host store beside one object, made at the first mmap and kept for the run.

import LinuxABI
import Platform

final class FileContent: DeepCopyable {
  static let chunkSize: Int64 = 64 << 10
  /// Host files up to this size are read whole, larger ones in pieces.
  static let wholeFileMax: Int64 = 4 << 20
  /// Programs and libraries, which are soon mapped.
  static let wholeProgramMax: Int64 = 32 << 20
  static let pieceSize = 1 << 20
  /// Larger files are refused with EFBIG: s_maxbytes of a small file system.
  static let sizeMax: Int64 = 1 << 44

  private enum Store { case host, chunks, object }

  private var store: Store
  private(set) var size: Int64
  private var hostPath: [UInt8] = []
  /// The host file's content, when it was read whole.
  private var loaded: (any FileBytes)?
  /// The last piece read of a large host file.
  private var piece: [UInt8] = []
  private var pieceOffset: Int64 = 0
  /// Pieces of 64 KiB by index; absent ones, and bytes beyond the end of a short one, are zero.
  private var chunks: [Int64: [UInt8]] = [:]
  private(set) var object: MemoryObjectReference?
  /// Bytes that it takes of the overlay's limit.
  private var storedBytes: Int64 = 0

  /// Empty, in memory.
  init() {
    store = .chunks
    size = 0
  }

  /// A file of the host.
  init(hostPath: [UInt8], size: Int64) {
    store = .host
    self.hostPath = hostPath
    self.size = size
  }

  var isFromHost: Bool { store == .host }

  public func shallowCopy() -> FileContent {
    let new = FileContent()
    new.store = store
    new.size = size
    new.hostPath = hostPath
    new.loaded = loaded
    new.chunks = chunks
    new.object = object
    new.storedBytes = storedBytes
    return new
  }
  public func copyReferences(_ context: CopyContext) { object = context.copy(object) }

  // MARK: Reading

  /// Up to `count` bytes; fewer at the end of the file only.
  func read(_ kernel: Kernel, offset: Int64, count: Int) throws(Errno) -> [UInt8] {
    if offset >= size || count <= 0 { return [] }
    let count = Int(min(Int64(count), size - offset))
    switch store {
    case .host: return try readHost(kernel, offset: offset, count: count)
    case .chunks: return readChunks(offset: offset, count: count)
    case .object:
      do { return try kernel.machine.readObject(object!.id, offset: UInt64(offset), count) } catch {
        throw kernel.fail(error)
      }
    }
  }

  private func readHost(_ kernel: Kernel, offset: Int64, count: Int) throws(Errno) -> [UInt8] {
    if loaded == nil { try load(kernel) }
    if let loaded {
      if offset >= Int64(loaded.count) { return [] }
      return loaded.bytes(Int(offset)..<min(Int(offset) + count, loaded.count))
    }
    kernel.files.contentEntered(hostPath)
    if count >= Self.pieceSize {
      return try kernel.host.content(hostPath, offset: offset, count: count)
    }
    if offset < pieceOffset || offset + Int64(count) > pieceOffset + Int64(piece.count) {
      piece = try kernel.host.content(hostPath, offset: offset, count: Self.pieceSize)
      pieceOffset = offset
    }
    let start = Int(offset - pieceOffset)
    return Array(piece[start..<min(piece.count, start + count)])
  }

  /// Reads the host file whole, unless it is large. What it holds now is its content for the rest of the run.
  private func load(_ kernel: Kernel) throws(Errno) {
    if size > Self.wholeProgramMax { return }
    var bytes = try kernel.host.mappableContent(hostPath, ifProgram: true)
    if bytes == nil && size <= Self.wholeFileMax { bytes = PlainBytes(try kernel.host.content(hostPath)) }
    guard let bytes else { return }
    kernel.files.contentEntered(hostPath)
    size = Int64(bytes.count)
    loaded = bytes
  }

  private func readChunks(offset: Int64, count: Int) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(count)
    var at = offset
    while result.count < count {
      let within = Int(at % Self.chunkSize)
      let want = min(count - result.count, Int(Self.chunkSize) - within)
      let chunk = chunks[at / Self.chunkSize] ?? []
      let there = max(0, min(want, chunk.count - within))
      if there > 0 { result.append(contentsOf: chunk[within..<within + there]) }
      if there < want { result.append(contentsOf: repeatElement(0, count: want - there)) }
      at += Int64(want)
    }
    return result
  }

  // MARK: Writing

  func write(_ kernel: Kernel, offset: Int64, _ bytes: ArraySlice<UInt8>) throws(Errno) {
    if bytes.isEmpty { return }
    try own(kernel)
    let end = offset + Int64(bytes.count)
    try kernel.files.checkOverlay(kernel, room: Int64(bytes.count))
    if store == .object {
      if end > size { try resizeObject(kernel, end) }
      do { try kernel.machine.writeObject(object!.id, offset: UInt64(offset), bytes) } catch {
        throw kernel.fail(error)
      }
      return
    }
    writeChunks(kernel, offset: offset, bytes)
    size = max(size, end)
  }

  private func writeChunks(_ kernel: Kernel, offset: Int64, _ bytes: ArraySlice<UInt8>) {
    var at = offset
    var rest = bytes
    var growth = 0
    while !rest.isEmpty {
      let within = Int(at % Self.chunkSize)
      let part = rest.prefix(Int(Self.chunkSize) - within)
      growth += Self.store(part, at: within, in: &chunks[at / Self.chunkSize, default: []])
      at += Int64(part.count)
      rest = rest.dropFirst(part.count)
    }
    account(kernel, storedBytes + Int64(growth))
  }

  private func account(_ kernel: Kernel, _ bytes: Int64) {
    kernel.files.overlayBytes += bytes - storedBytes
    storedBytes = bytes
  }

  /// Puts a part into one chunk, and says by how much that grew.
  private static func store(_ part: ArraySlice<UInt8>, at within: Int, in chunk: inout [UInt8]) -> Int {
    let before = chunk.count
    if chunk.count < within { chunk.append(contentsOf: repeatElement(0, count: within - chunk.count)) }
    if chunk.count == within {
      chunk.append(contentsOf: part)
    } else {
      chunk.replaceSubrange(within..<min(chunk.count, within + part.count), with: part)
    }
    return chunk.count - before
  }

  /// ftruncate(2).
  func truncate(_ kernel: Kernel, to newSize: Int64) throws(Errno) {
    if newSize == size && store != .host { return }
    if store == .host && newSize == 0 && object == nil {
      store = .chunks
      loaded = nil
      size = 0
      return
    }
    try own(kernel)
    if store == .object { return try resizeObject(kernel, newSize) }
    if newSize < size { dropChunks(kernel, from: newSize) }
    size = newSize
  }

  /// Makes `offset ..< offset + count` read as zeros, within the size: fallocate's PUNCH_HOLE and ZERO_RANGE.
  func zero(_ kernel: Kernel, offset: Int64, count: Int64) throws(Errno) {
    try own(kernel)
    let end = min(offset + count, size)
    var at = offset
    while at < end {
      let within = at % Self.chunkSize
      let part = min(end - at, Self.chunkSize - within)
      if store == .chunks && part == Self.chunkSize {
        account(kernel, storedBytes - Int64(chunks.removeValue(forKey: at / Self.chunkSize)?.count ?? 0))
      } else {
        try write(kernel, offset: at, Array(repeating: 0, count: Int(part))[...])
      }
      at += part
    }
  }

  private func dropChunks(_ kernel: Kernel, from end: Int64) {
    let last = end / Self.chunkSize
    let keep = Int(end % Self.chunkSize)
    // The order does not matter: each entry is judged alone.
    chunks = chunks.filter { $0.key <= last }
    if let chunk = chunks[last], chunk.count > keep { chunks[last] = keep == 0 ? nil : Array(chunk[..<keep]) }
    account(kernel, chunks.values.reduce(Int64(0)) { $0 + Int64($1.count) })
  }

  private func resizeObject(_ kernel: Kernel, _ newSize: Int64) throws(Errno) {
    try kernel.files.checkOverlay(kernel, room: newSize - size)
    do { try kernel.machine.resizeObject(object!.id, size: UInt64(newSize)) } catch { throw kernel.fail(error) }
    size = newSize
    account(kernel, newSize)
  }

  /// Copy-up: the store is no longer the host's file.
  private func own(_ kernel: Kernel) throws(Errno) {
    if store != .host { return }
    if object != nil {
      // Mapped already: the object holds the same bytes, and mappings must see the change.
      store = .object
    } else {
      let content = try wholeHostContent(kernel)
      let bytes = content.bytes(0..<content.count)
      try kernel.files.checkOverlay(kernel, room: Int64(bytes.count))
      store = .chunks
      writeChunks(kernel, offset: 0, bytes[...])
      size = Int64(bytes.count)
    }
    loaded = nil
    piece = []
  }

  private func wholeHostContent(_ kernel: Kernel, isMapped: Bool = false) throws(Errno) -> any FileBytes {
    if let loaded { return loaded }
    kernel.files.contentEntered(hostPath)
    if isMapped, let bytes = try kernel.host.mappableContent(hostPath, ifProgram: false) { return bytes }
    return PlainBytes(try kernel.host.content(hostPath))
  }

  // MARK: Mapping

  /// The object that mappings of this file share. `writable`: a mapping may store into it, so it becomes the store.
  func memoryObject(_ kernel: Kernel, _ inode: Inode, path: [UInt8], writable: Bool) throws(Errno)
    -> MemoryObjectReference
  {
    if object == nil {
      try makeObject(kernel, path)
      object!.device = inode.fileSystem.device
      object!.inode = inode.number
    }
    if store == .chunks || writable {
      store = .object
      chunks = [:]
      loaded = nil
      piece = []
      account(kernel, size)
    }
    return object!
  }

  private func makeObject(_ kernel: Kernel, _ path: [UInt8]) throws(Errno) {
    let id = kernel.identifiers.nextObject()
    var key: UInt64 = 0
    do {
      if store == .host {
        let bytes = try wholeHostContent(kernel, isMapped: true)
        size = Int64(bytes.count)
        if size <= Self.wholeFileMax { loaded = bytes }
        if kernel.configuration.processor == nil && DynamicLinkerPatch.isLinker(path) {
          try kernel.machine.createObject(id, content: DynamicLinkerPatch.apply(bytes.bytes(0..<bytes.count)))
        } else {
          try kernel.machine.createObject(id, content: bytes)
        }
        key = Self.placementKey(bytes)
      } else {
        try kernel.files.checkOverlay(kernel, room: size - storedBytes)
        try kernel.machine.createObject(id, size: UInt64(size))
        for index in chunks.keys.sorted() where !chunks[index]!.isEmpty {
          try kernel.machine.writeObject(id, offset: UInt64(index * Self.chunkSize), chunks[index]![...])
        }
      }
    } catch let error as MachineError {
      throw kernel.fail(error)
    } catch {
      throw error as! Errno
    }
    object = MemoryObjectReference(id: id, path: path, placementKey: key)
    kernel.observer.fileEmbedded(path: String(decoding: path, as: UTF8.self), object: id, size: UInt64(max(0, size)))
  }

  /// FNV-1a over the size and the first 8 KiB, which hold the build id of an ELF file. Not 0.
  private static func placementKey(_ bytes: any FileBytes) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    func add(_ byte: UInt8) { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    for shift in 0..<8 { add(UInt8(truncatingIfNeeded: bytes.count >> (shift * 8))) }
    for byte in bytes.bytes(0..<min(bytes.count, 8192)) { add(byte) }
    return hash == 0 ? 1 : hash
  }

  /// The file is gone: no name, no open description. Mappings keep the object as long as they need it.
  func release(_ kernel: Kernel) {
    object?.release(kernel)
    object = nil
    chunks = [:]
    loaded = nil
    account(kernel, 0)
    if store == .object {
      store = .chunks
      size = 0
    }
  }

  // MARK: Holes

  /// The first offset at or after `offset` that is data (or a hole): lseek's SEEK_DATA and SEEK_HOLE; nil at the end.
  func next(_ kind: SeekKind, from offset: Int64) -> Int64? {
    if offset >= size { return nil }
    guard store == .chunks else { return kind == .data ? offset : size }
    var at = offset
    while at < size {
      if (chunks[at / Self.chunkSize] != nil) == (kind == .data) { return at }
      if kind == .data && chunks.isEmpty { return nil }
      at = (at / Self.chunkSize + 1) * Self.chunkSize
    }
    return kind == .data ? nil : size
  }

  enum SeekKind { case data, hole }
}

extension Kernel {
  /// Remembers a failure of the host that ends the run; the syscall in flight sees EIO.
  func fail(_ error: MachineError) -> Errno {
    if machineError == nil { machineError = error }
    return .EIO
  }
}
