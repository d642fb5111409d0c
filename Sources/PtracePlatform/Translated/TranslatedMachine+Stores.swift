// Small stores of the kernel to guest memory wait until that guest runs: the dispatch blob carries them out on its way to code, where a call of the
// host's for each would take longer than most system calls. Only stores that cannot fail wait; whoever looks at the space or changes its
// mappings from outside has them carried out before.
import CLinux
import Platform
import Translator

/// What waits, for one space at a time. In the order of its list (dispatch.S).
struct WaitingStores {
  var space = AddressSpaceID(rawValue: 0)
  var count = 0
  /// Bytes of the list.
  var used = 0
}

extension TranslatedMachine {
  /// More bytes go to the host at once.
  private static let storeMax = 256
  private static let storeHeader = 24

  /// Lets a store wait; false when it has to be made now.
  func postpone(_ id: AddressSpaceID, _ space: SpaceCode, _ address: GuestAddress, _ bytes: ArraySlice<UInt8>) -> Bool {
    let size = Self.storeHeader + bytes.count
    guard (1...Self.storeMax).contains(bytes.count), space.protectedPages.isEmpty,
      waiting.count == 0 || waiting.space == id, waiting.used + size <= arena.storeList.count,
      // Private memory that the guest may write: the host has a page, or makes one.
      let mapping = space.mappings.mapping(at: address), case .anonymous = mapping.source, mapping.protection.contains(.write),
      mapping.range.end - address >= UInt64(bytes.count)
    else { return false }
    let place = UnsafeMutableRawBufferPointer(rebasing: arena.storeList[waiting.used..<waiting.used + size])
    place.storeBytes(of: address.rawValue, as: UInt64.self)
    place.storeBytes(of: UInt64(bytes.count / 8), toByteOffset: 8, as: UInt64.self)
    place.storeBytes(of: UInt64(bytes.count % 8), toByteOffset: 16, as: UInt64.self)
    bytes.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: place[Self.storeHeader...]).copyMemory(from: $0) }
    waiting.space = id
    waiting.count += 1
    waiting.used += size
    return true
  }

  /// Carries out what waits.
  @inline(__always) func settleStores() throws(MachineError) {
    if waiting.count > 0 { try storeAll() }
  }

  private func storeAll() throws(MachineError) {
    let stub = try host.stub(waiting.space)
    if !stub.queue.isEmpty { try stub.flush() }
    var place = 0
    for _ in 0..<waiting.count {
      func word(_ index: Int) -> UInt64 { arena.storeList.loadUnaligned(fromByteOffset: place + 8 * index, as: UInt64.self) }
      let size = Int(word(1)) * 8 + Int(word(2)), address = word(0)
      let stored = rsb_process_write(stub.pid, arena.storeList.baseAddress! + place + Self.storeHeader, address, size)
      if stored != size { throw MachineError("memory of stub \(stub.pid) at \(GuestAddress(address)) cannot be written") }
      place += Self.storeHeader + size
    }
    forgetStores()
  }

  /// They were carried out, or their space is gone.
  func forgetStores() { (waiting.count, waiting.used) = (0, 0) }

  /// Where code begins to run that stores first what waits, and goes on at `code`.
  func storing(goingTo code: UInt64) -> UInt64 {
    (arena[.storeCount], arena[.storeResume]) = (UInt64(waiting.count), code)
    return arena.store
  }
}
