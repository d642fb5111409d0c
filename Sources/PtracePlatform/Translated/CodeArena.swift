// The memory that translated code lives in: one file of ours, shared by all stubs of a machine, which execute it, and by us,
// who write it. Behind that are the page of slots, the log of accesses and the list of what the dispatch blob is to store.
import CLinux
import CStub
import Platform
import Translator

final class CodeArena {
  private let file: MemoryObject
  private let base: UnsafeMutablePointer<UInt8>
  /// Sound: all lie in the file behind the code, mapped as long as this object lives.
  private let slots: UnsafeMutablePointer<UInt64>
  let log: UnsafePointer<UInt64>
  let publications: UnsafeMutablePointer<UInt64>
  /// Likewise, among the slots.
  let gate: UnsafeMutablePointer<rsb_gate>
  private var used = RuntimeLayout.blobSize
  /// Pieces given back, by size: code of guests that make code at run time.
  private var free: [(size: Int, offsets: [Int])] = []
  /// Images by their place in the arena, ascending.
  private var images: [CodeImage] = []
  private var lastImage: CodeImage?
  /// Where the dispatch blob stops for a target it does not know.
  let dispatchMiss: UInt64

  private static let logOffset = RuntimeLayout.arenaSize + RuntimeLayout.slotsSize
  private static let publicationsOffset = logOffset + RuntimeLayout.logSize
  private static let publicationsSize = RuntimeLayout.publicationsMax * 8
  private static let size = publicationsOffset + publicationsSize
  /// Where the dispatch blob stores entries of the mirror, and where rip is behind the int3 at which it can go on.
  let publish: UInt64
  let published: UInt64
  /// Where it stores for the kernel, and the list of what, which we fill.
  let store: UInt64
  let storeList: UnsafeMutableRawBufferPointer

  init(usesGate: Bool) throws(MachineError) {
    let descriptor = Int32(try checked(rsb_memfd_make("replaysb-code"), "memfd_create"))
    file = MemoryObject(descriptor: descriptor, size: UInt64(Self.size))
    try checked(rsb_memfd_resize(descriptor, UInt64(Self.size)), "size of the code arena")
    guard let place = rsb_memfd_map(descriptor, 0, Self.size, 1) else { throw MachineError("mmap of the code arena") }
    base = place.assumingMemoryBound(to: UInt8.self)
    slots = (place + RuntimeLayout.arenaSize).assumingMemoryBound(to: UInt64.self)
    log = UnsafePointer((place + Self.logOffset).assumingMemoryBound(to: UInt64.self))
    publications = (place + Self.publicationsOffset).assumingMemoryBound(to: UInt64.self)
    gate = UnsafeMutableRawPointer(slots).advanced(by: RuntimeSlot.gate.rawValue).assumingMemoryBound(to: rsb_gate.self)
    let blob = rsb_dispatch_get()
    precondition(
      Int(blob.size) <= RuntimeLayout.blobSize && blob.gate == RuntimeLayout.gateOffset && blob.cpuid == RuntimeLayout.cpuidOffset)
    precondition(
      RuntimeLayout.publications == UInt64(RSB_DISPATCH_PUBLICATIONS) && RuntimeLayout.mirror == UInt64(RSB_DISPATCH_MIRROR))
    base.update(from: blob.bytes, count: Int(blob.size))
    gate.pointee.word_load = RuntimeLayout.arena + UInt64(blob.load)
    gate.pointee.behind_word_load = RuntimeLayout.arena + UInt64(blob.behind_load)
    if !usesGate {
      // A jump to the other gate.
      let place = UnsafeMutableRawPointer(base + RuntimeLayout.gateOffset)
      place.storeBytes(of: 0xe9, as: UInt8.self)
      place.storeBytes(of: Int32(blob.plain_gate) - Int32(blob.gate) - 5, toByteOffset: 1, as: Int32.self)
    }
    dispatchMiss = RuntimeLayout.arena + UInt64(blob.miss)
    publish = RuntimeLayout.arena + UInt64(blob.publish)
    published = RuntimeLayout.arena + UInt64(blob.published)
    store = RuntimeLayout.arena + UInt64(blob.store)
    storeList = UnsafeMutableRawBufferPointer(
      start: UnsafeMutableRawPointer(slots) + RuntimeSlot.stores.rawValue,
      count: RuntimeLayout.watchesOffset - RuntimeSlot.stores.rawValue)
  }

  deinit { rsb_memfd_unmap(base, Self.size) }

  /// Makes arena, slots, log, list and countdown part of every stub.
  func install(in host: PtraceMachine) throws(MachineError) {
    let readOnly: UInt64 = 1, readExecute: UInt64 = 5, readWrite: UInt64 = 3
    try host.addToZygote(file, at: RuntimeLayout.arena, size: UInt64(RuntimeLayout.arenaSize), protection: readExecute)
    try host.addToZygote(
      file, at: RuntimeLayout.slots, offset: UInt64(RuntimeLayout.arenaSize), size: UInt64(RuntimeLayout.slotsSize),
      protection: readWrite)
    try host.addToZygote(
      file, at: RuntimeLayout.log, offset: UInt64(Self.logOffset), size: UInt64(RuntimeLayout.logSize), protection: readWrite)
    try host.addToZygote(
      file, at: RuntimeLayout.publications, offset: UInt64(Self.publicationsOffset), size: UInt64(Self.publicationsSize), protection: readOnly)
    try host.addToZygote(emptyAt: RuntimeLayout.countdown, size: UInt64(RuntimeLayout.countMax))
    try host.flushZygote()
  }

  subscript(slot: RuntimeSlot) -> UInt64 {
    @inline(__always) get { slots[slot.rawValue / 8] }
    @inline(__always) set { slots[slot.rawValue / 8] = newValue }
  }

  /// The word that the probe of the scheduling point with this place reads by.
  subscript(watch place: Int) -> UInt64 {
    get { slots[RuntimeLayout.watchesOffset / 8 + min(place, RuntimeLayout.watches - 1)] }
    set { slots[RuntimeLayout.watchesOffset / 8 + min(place, RuntimeLayout.watches - 1)] = newValue }
  }

  /// What the dispatch blob answers for CPUID.
  func setAnswers(_ answers: [ProcessorAnswer]) {
    precondition(answers.count <= RuntimeLayout.answersMax)
    let table = UnsafeMutableRawPointer(slots) + RuntimeLayout.answersOffset
    for (index, answer) in answers.enumerated() {
      let mask: UInt32 = answer.subleaf == nil ? 0 : .max
      let words = [answer.leaf, answer.subleaf ?? 0, mask, answer.eax, answer.ebx, answer.ecx, answer.edx]
      for (word, value) in words.enumerated() { table.storeBytes(of: value, toByteOffset: 32 * index + 4 * word, as: UInt32.self) }
    }
    self[.answers] = UInt64(answers.count)
  }

  static func isDispatch(_ code: UInt64) -> Bool { code &- RuntimeLayout.arena < UInt64(RuntimeLayout.blobSize) }

  // MARK: Images

  /// Room for an image; nil when the arena is full.
  func allocate(_ size: Int) -> (address: UInt64, code: UnsafeMutablePointer<UInt8>)? {
    var offset = used
    if let index = free.firstIndex(where: { $0.size == size }), let given = free[index].offsets.popLast() {
      offset = given
    } else {
      if used + size > RuntimeLayout.arenaSize { return nil }
      used += size
    }
    return (RuntimeLayout.arena + UInt64(offset), base + offset)
  }

  /// Puts code where nobody runs yet. Through the mapping when the host refuses, for want of memory: that stops us with SIGBUS.
  func store(_ image: CodeImage, _ offset: Int, _ bytes: UnsafeRawBufferPointer) {
    let place = Int(image.address - RuntimeLayout.arena) + offset
    precondition(offset >= 0 && offset + bytes.count <= image.reserve)
    if rsb_memfd_pwrite(file.descriptor, bytes.baseAddress, bytes.count, UInt64(place)) == bytes.count { return }
    UnsafeMutableRawPointer(base + place).copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
  }

  func add(_ image: CodeImage) {
    images.insert(image, at: index(after: image.address))
  }

  func remove(_ image: CodeImage) {
    let index = index(after: image.address) - 1
    precondition(images[index] === image)
    images.remove(at: index)
    if lastImage === image { lastImage = nil }
    let offset = Int(image.address - RuntimeLayout.arena)
    if let known = free.firstIndex(where: { $0.size == image.reserve }) {
      free[known].offsets.append(offset)
    } else {
      free.append((image.reserve, [offset]))
    }
  }

  /// The number of images that start at or below `address`.
  private func index(after address: UInt64) -> Int {
    var low = 0, high = images.count
    while low < high {
      let middle = (low + high) / 2
      if images[middle].address <= address { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// The image whose code `pc` lies in.
  func image(ofCode pc: UInt64) -> CodeImage? {
    if let lastImage, lastImage.ownsCode(pc) { return lastImage }
    let index = index(after: pc)
    guard index > 0, images[index - 1].ownsCode(pc) else { return nil }
    lastImage = images[index - 1]
    return lastImage
  }
}
