// The code of one address space: its mappings, the images that stand for parts of them, and the pages that are write-protected
// because code was translated from them.
import Platform
import Translator

/// An image in use by a space.
final class Attachment {
  let range: GuestRange
  let image: CodeImage
  /// The bytes are an object's, unchanged: the image serves every space that maps it here.
  let isShared: Bool
  /// For private images: the guest's bytes, refreshed before each translation.
  let bytes: GuestBytes?
  /// Its piece of the mirror; nil above the window.
  let mirror: MirrorPool.Segment?
  /// Entries of the space's hash table that may lead into it.
  var hashIndices: [Int] = []

  init(_ range: GuestRange, _ image: CodeImage, _ mirror: MirrorPool.Segment?, bytes: GuestBytes?) {
    self.range = range
    self.image = image
    self.mirror = mirror
    isShared = bytes == nil
    self.bytes = bytes
  }
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

  /// Takes out all that touch `range`.
  func remove(_ range: GuestRange) -> [Attachment] {
    let first = index(endingAfter: range.start)
    var last = first
    while last < attachments.count, attachments[last].range.start < range.end { last += 1 }
    if first == last { return [] }
    let removed = Array(attachments[first..<last])
    attachments.removeSubrange(first..<last)
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
