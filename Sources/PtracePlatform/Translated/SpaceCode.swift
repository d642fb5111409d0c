// The code of one address space: its mappings, the images that stand for parts of them, and the pages that are write-protected
// because code was translated from them.
import Platform
import Translator

/// Where a space's entries for an image lie.
enum MirrorPiece {
  /// The image is above the window.
  case none
  /// Memory of ours that every space can map, where we store them.
  case shared(MirrorPool.Segment)
  /// Memory of the space alone, where the dispatch blob stores them on the way to code. The host makes it in less time, but for each space again.
  case own
}

/// An image in use by a space.
final class Attachment {
  let range: GuestRange
  let image: CodeImage
  /// The bytes are an object's, unchanged: the image serves every space that maps it here. nil otherwise.
  let shared: SharedImage?
  /// For private images: the guest's bytes, refreshed before each translation.
  let bytes: GuestBytes?
  var mirror: MirrorPiece
  /// Of the image's mirror entries, how many are in a piece of the space's own.
  var published = 0
  /// Entries of the space's hash table that may lead into it.
  var hashIndices: [Int] = []

  init(_ range: GuestRange, _ shared: SharedImage, _ mirror: MirrorPiece) {
    self.range = range
    self.shared = shared
    self.mirror = mirror
    image = shared.image
    bytes = nil
  }

  /// With an image of the space's own.
  init(_ range: GuestRange, _ image: CodeImage, _ mirror: MirrorPiece, bytes: GuestBytes) {
    self.range = range
    self.image = image
    self.mirror = mirror
    self.bytes = bytes
    shared = nil
  }

  var isShared: Bool { shared != nil }

  /// Where its piece of the mirror lies for guests, and its size.
  var mirrorPlace: (UInt64, UInt64) { (RuntimeLayout.mirror + range.start.rawValue * 8, range.length * 8) }
}

/// A copy of guest code. Sound: `count` bytes as long as the object lives.
final class GuestBytes {
  let pointer: UnsafeMutablePointer<UInt8>
  let count: Int
  init(count: Int) {
    self.count = count
    pointer = .allocate(capacity: count)
    pointer.initialize(repeating: 0, count: count)
  }
  deinit { pointer.deallocate() }
}

final class SpaceCode {
  var mappings = GuestMappings()
  /// Ascending and apart.
  private(set) var attachments: [Attachment] = []
  private var lastAttachment: Attachment?
  /// Starts of pages that the guest may write and the host lets it not.
  var protectedPages: Set<UInt64> = []
  /// Whose pieces of mirror have to be completed before code runs here.
  private(set) var incomplete: [Attachment] = []
  /// The hash table of targets above the window; nil until one is needed.
  var hashTable: MirrorPool.Segment?

  /// Guest bytes in a private image: small enough that a write to one of its pages throws little away.
  static let chunkSize: UInt64 = 16 << 10

  func attachment(at address: UInt64) -> Attachment? {
    if let lastAttachment, lastAttachment.range.contains(GuestAddress(address)) { return lastAttachment }
    let index = index(endingAfter: GuestAddress(address))
    guard index < attachments.count, attachments[index].range.contains(GuestAddress(address)) else { return nil }
    lastAttachment = attachments[index]
    return lastAttachment
  }

  private func index(endingAfter address: GuestAddress) -> Int {
    var low = 0, high = attachments.count
    while low < high {
      let middle = (low + high) / 2
      if attachments[middle].range.end > address { high = middle } else { low = middle + 1 }
    }
    return low
  }

  func add(_ attachment: Attachment) {
    attachments.insert(attachment, at: index(endingAfter: attachment.range.start))
  }

  /// Has the entries that are new in an image stored before code runs.
  @inline(__always) func complete(_ attachment: Attachment) {
    guard case .own = attachment.mirror, attachment.published < attachment.image.mirrorEntryCount,
      !incomplete.contains(where: { $0 === attachment })
    else { return }
    incomplete.append(attachment)
  }

  func completed() { incomplete.removeAll(keepingCapacity: true) }

  /// The attachment's piece of mirror is empty again, or gone.
  func forgetEntries(_ attachment: Attachment) {
    attachment.published = 0
    incomplete.removeAll { $0 === attachment }
  }

  /// Takes out all that touch `range`.
  func remove(_ range: GuestRange) -> [Attachment] {
    let first = index(endingAfter: range.start)
    var last = first
    while last < attachments.count, attachments[last].range.start < range.end { last += 1 }
    if first == last { return [] }
    let removed = Array(attachments[first..<last])
    attachments.removeSubrange(first..<last)
    for attachment in removed { forgetEntries(attachment) }
    lastAttachment = nil
    return removed
  }

  /// Those that touch `range`.
  func touching(_ range: GuestRange) -> ArraySlice<Attachment> {
    let first = index(endingAfter: range.start)
    var last = first
    while last < attachments.count, attachments[last].range.start < range.end { last += 1 }
    return attachments[first..<last]
  }
}
