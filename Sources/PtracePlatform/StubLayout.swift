// Where our pages lie in every guest address space, and the image that the first stub starts from.
import CStub
import Platform

/// The top of user space: the bank (private: a page for messages, then XSAVE areas), the blob's page, the list page
/// (shared by all stubs and us, read-only for the guest). The guest can see all and change the bank; nothing in the
/// bank is believed to be more than some task's extended state.
enum StubLayout {
  static let pageSize: UInt64 = 4096
  static let bank: UInt64 = 0x7fff_fff0_0000
  static let blob: UInt64 = 0x7fff_ffff_d000
  static let list: UInt64 = 0x7fff_ffff_e000
  static let end: UInt64 = 0x7fff_ffff_f000
  /// Where XSAVE areas begin.
  static let areas: UInt64 = bank + pageSize

  /// The lowest address that a stub can have mapped (vm.mmap_min_addr is at most this where programs run at all).
  static let lowest: UInt64 = 0x1000
  /// Where execve puts the image; it moves to `blob` at once, since the stack may start at the very top.
  static let birth: UInt64 = 0x1000_0000

  /// The list page: five words for the state switch, then the calls.
  static let switchWords = 8
  static let calls: UInt64 = list + UInt64(8 * switchWords)
  static let wordsPerCall = 7
  static let callsMost = (Int(pageSize) - 8 * switchWords) / (8 * wordsPerCall)
  /// The first page of the bank: a message for recvmsg.
  static let message: UInt64 = bank
  static let messageSize: UInt64 = 512
  /// Descriptors in one message: SCM_RIGHTS data must fit the message area.
  static let descriptorsMost = 48

  /// The socket that descriptors come through; the only one a stub holds between lists.
  static let socketDescriptor: UInt64 = 0
  static let imageDescriptor: UInt64 = 1
  /// What recvmsg gives out: the lowest free number.
  static let firstReceivedDescriptor: UInt64 = 1

  private static var blobBytes: rsb_blob { rsb_blob_get() }
  static let single = UInt64(blobBytes.single)
  static let callList = UInt64(blobBytes.list)
  static let stopped = UInt64(blobBytes.stopped)
  static let switchState = UInt64(blobBytes.switch_state)

  /// Where the list page lies in the image's file.
  static let listOffset = 2 * pageSize

  /// A minimal ELF64 executable (elf(5)): a header page, the blob's page padded with int3, and a page that is not part
  /// of the program: the list.
  static func image() -> [UInt8] {
    var bytes: [UInt8] = []
    func put<T: FixedWidthInteger>(_ value: T) {
      withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
    bytes += [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    put(UInt16(2))  // ET_EXEC
    put(UInt16(62))  // EM_X86_64
    put(UInt32(1))
    put(birth)  // e_entry
    put(UInt64(64))  // e_phoff
    put(UInt64(0))
    put(UInt32(0))
    put(UInt16(64))
    put(UInt16(56))
    put(UInt16(2))  // e_phnum
    put(UInt16(64))
    put(UInt16(0))
    put(UInt16(0))
    func segment(type: UInt32, flags: UInt32, offset: UInt64, address: UInt64, size: UInt64) {
      put(type)
      put(flags)
      for word in [offset, address, address, size, size, pageSize] { put(word) }
    }
    segment(type: 1, flags: 5, offset: pageSize, address: birth, size: pageSize)  // PT_LOAD, read and execute
    segment(type: 0x6474_e551, flags: 6, offset: 0, address: 0, size: 0)  // PT_GNU_STACK, not executable
    bytes += [UInt8](repeating: 0, count: Int(pageSize) - bytes.count)
    // Sound: the blob is constant data of this program.
    bytes += UnsafeBufferPointer(start: blobBytes.bytes, count: Int(blobBytes.size))
    bytes += [UInt8](repeating: 0xcc, count: 2 * Int(pageSize) - bytes.count)
    bytes += [UInt8](repeating: 0, count: Int(pageSize))
    return bytes
  }
}

extension PtraceMachine {
  /// What a guest can never have mapped: the bank, the blob and the list page. Kernels give out less: the translated engine
  /// needs more, and programs get the same addresses under both.
  public static let reservedRange = GuestRange(GuestAddress(StubLayout.bank), .userEnd)
}
