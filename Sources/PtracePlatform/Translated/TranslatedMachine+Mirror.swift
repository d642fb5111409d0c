// The mirror of a space: where indirect branches of its code find their targets. A piece for each image, which is the space's own or
// one that spaces share (`MirrorPiece`); how it comes to be, is mapped, filled, emptied and given up.
import Platform
import Translator

extension TranslatedMachine {
  // MARK: Pieces

  /// Most of a piece of a space's own: where the host counts what could be written, more might be refused.
  private static let ownBytesMax = 64 << 20

  /// The only space that there is gets a piece of its own for what nobody used before: most programs are one process.
  func mirrorPiece(of shared: SharedImage) throws(MachineError) -> MirrorPiece {
    if shared.image.start + UInt64(shared.image.length) > RuntimeLayout.window { return .none }
    let isFirst = !shared.hasBeenUsed
    shared.hasBeenUsed = true
    let isOnlySpace = spaces.count(where: { $0 != nil }) == 1
    if isFirst && isOnlySpace && shared.image.length * 8 <= Self.ownBytesMax {
      shared.hasOwnMirror = true
      return .own
    }
    return .shared(try sharedPiece(of: shared))
  }

  /// The piece of mirror that spaces share, made when it is first asked for.
  private func sharedPiece(of shared: SharedImage) throws(MachineError) -> MirrorPool.Segment {
    if let known = shared.mirror { return known }
    let image = shared.image
    let segment = try pool.allocate(image.length * 8)
    shared.mirror = segment
    image.mirror = segment.words
    if let loader { loader.fillMirror(of: shared, segment.words) } else { image.fillMirror(segment.words) }
    return segment
  }

  // MARK: Mappings

  func mapMirror(_ attachment: Attachment, in id: AddressSpaceID) throws(MachineError) {
    let readOnly: UInt64 = 1, readWrite: UInt64 = 3
    let (place, size) = attachment.mirrorPlace
    switch attachment.mirror {
    case .none: break
    case .shared(let mirror):
      let flags = HostFlag.mapShared | HostFlag.mapFixed | HostFlag.mapNoReserve
      try host.enqueue(id, HostCall.mmap, [place, size, readOnly, flags, 0, mirror.offset], object: pool.file)
    case .own:
      let flags = HostFlag.mapPrivate | HostFlag.mapAnonymous | HostFlag.mapFixed | HostFlag.mapNoReserve
      try host.enqueue(id, HostCall.mmap, [place, size, readWrite, flags, ~0, 0])
    }
  }

  /// A space that forks has pieces of mirror of its own no longer: the host would copy their page tables each time, and pages of theirs that change.
  func shareMirrors(of space: SpaceCode, _ id: AddressSpaceID) throws(MachineError) {
    for attachment in space.attachments {
      guard case .own = attachment.mirror, let shared = attachment.shared else { continue }
      attachment.mirror = .shared(try sharedPiece(of: shared))
      space.forgetEntries(attachment)
      try mapMirror(attachment, in: id)
    }
  }

  func unmapMirror(_ attachment: Attachment, in id: AddressSpaceID) throws(MachineError) {
    if case .none = attachment.mirror { return }
    let (place, size) = attachment.mirrorPlace
    try host.enqueue(id, HostCall.munmap, [place, size, 0, 0, 0, 0])
  }

  /// Before an image is emptied: so are the pieces of mirror of their own that spaces have for it.
  func emptyOwnMirrors(of image: CodeImage) {
    // It is no longer what was loaded.
    if let shared = sharedImages.values.first(where: { $0.image === image }) { (shared.stamp, shared.keptMirror) = (nil, nil) }
    for (index, space) in spaces.enumerated() {
      guard let space else { continue }
      for attachment in space.attachments where attachment.image === image {
        if attachment.published > 0 {
          // Anew: what is discarded of a file's mapping is the file's again.
          try? mapMirror(attachment, in: AddressSpaceID(rawValue: UInt32(index)))
        }
        space.forgetEntries(attachment)
      }
    }
  }

  // MARK: Entries of a space's own pieces

  /// Has the dispatch blob store what is missing in a space's own mirror. Returns where to go for that and `code` then.
  func completeMirror(_ space: SpaceCode, _ stub: Stub, goingTo code: UInt64) throws(MachineError) -> UInt64 {
    var count = 0
    for attachment in space.incomplete {
      if try !useKeptMirror(attachment, stub) { try useLargePages(attachment, stub) }
      while attachment.published < attachment.image.mirrorEntryCount {
        if count == RuntimeLayout.publicationsMax {
          (arena[.publishCount], arena[.publishResume]) = (UInt64(count), arena.published - 1)
          try stub.execute(from: arena.publish, to: arena.published)
          count = 0
        }
        let put = attachment.image.putMirrorEntries(
          from: attachment.published, most: RuntimeLayout.publicationsMax - count, at: arena.publications + count)
        attachment.published += put
        count += put
      }
    }
    space.completed()
    (arena[.publishCount], arena[.publishResume]) = (UInt64(count), code)
    return arena.publish
  }

  /// Puts the file that an earlier run left in place of a piece of mirror that has no entries yet, if there is one.
  private func useKeptMirror(_ attachment: Attachment, _ stub: Stub) throws(MachineError) -> Bool {
    guard attachment.published == 0, let shared = attachment.shared, let file = shared.keptMirror else { return false }
    let (place, size) = attachment.mirrorPlace
    let readWrite: UInt64 = 3, flags = HostFlag.mapPrivate | HostFlag.mapFixed | HostFlag.mapNoReserve
    stub.enqueue(PendingCall(number: HostCall.mmap, arguments: [place, size, readWrite, flags, 0, 0], object: file))
    try stub.flush()
    attachment.published = shared.entriesLoaded
    return true
  }

  /// Has a piece of mirror that is about to get its first entries made of pages of 2 MiB, if as many small ones would take longer.
  private func useLargePages(_ attachment: Attachment, _ stub: Stub) throws(MachineError) {
    let (place, size) = attachment.mirrorPlace
    let isDense = UInt64(attachment.image.mirrorEntryCount) * Self.mirrorBytesPerEntry >= size
    if attachment.published > 0 || size < 2 << 20 || !isDense { return }
    stub.enqueue(.largePages(place, size))
    try stub.flush()
  }
  /// Entries are dense where each has at most so much of the piece: half of its small pages would be made.
  private static let mirrorBytesPerEntry: UInt64 = 2048
}
