// A table of file descriptors: shared by the threads of a process, copied by fork.

import LinuxABI

public final class FDTable: DeepCopyable {
  struct Slot {
    var file: OpenFile
    var closeOnExec: Bool
  }
  private(set) var slots: [Slot?] = []
  /// Tasks that share this table; at zero every descriptor is closed.
  var users = 1

  init() {}

  /// The open file of a descriptor. EBADF when there is none (also for O_PATH where `allowPath` is false).
  func file(_ descriptor: Int32, allowPath: Bool = false) throws(Errno) -> OpenFile {
    guard descriptor >= 0, Int(descriptor) < slots.count, let slot = slots[Int(descriptor)] else { throw .EBADF }
    if !allowPath && slot.file.flags & 0o10000000 != 0 { throw .EBADF }
    return slot.file
  }

  func slot(_ descriptor: Int32) -> Slot? {
    descriptor >= 0 && Int(descriptor) < slots.count ? slots[Int(descriptor)] : nil
  }

  /// Installs a file at the lowest free descriptor at or above `minimum`. EMFILE at the limit of RLIMIT_NOFILE.
  func install(
    _ file: OpenFile, from minimum: Int32 = 0, closeOnExec: Bool, limit: UInt64
  ) throws(Errno) -> Int32 {
    var index = Int(minimum)
    while index < slots.count && slots[index] != nil { index += 1 }
    if UInt64(index) >= limit { throw .EMFILE }
    place(file, at: index, closeOnExec: closeOnExec)
    return Int32(index)
  }

  /// Installs at exactly this descriptor (dup2), closing what was there.
  func replace(_ kernel: Kernel, _ descriptor: Int32, with file: OpenFile, closeOnExec: Bool) {
    file.retain()
    let old = slot(descriptor)
    grow(to: Int(descriptor))
    slots[Int(descriptor)] = Slot(file: file, closeOnExec: closeOnExec)
    if let old { drop(kernel, old.file) }
  }

  /// A descriptor is gone: filp_close, which ends all record locks that the process has on that file.
  private func drop(_ kernel: Kernel, _ file: OpenFile) {
    file.inode?.locks?.releaseTable(self, kernel)
    file.releaseReference(kernel)
  }

  private func place(_ file: OpenFile, at index: Int, closeOnExec: Bool) {
    grow(to: index)
    file.retain()
    slots[index] = Slot(file: file, closeOnExec: closeOnExec)
  }

  private func grow(to index: Int) {
    while slots.count <= index { slots.append(nil) }
  }

  func setCloseOnExec(_ descriptor: Int32, _ value: Bool) { slots[Int(descriptor)]?.closeOnExec = value }

  /// close(2). EBADF when it is not open.
  func close(_ kernel: Kernel, _ descriptor: Int32) throws(Errno) {
    guard let old = slot(descriptor) else { throw .EBADF }
    slots[Int(descriptor)] = nil
    drop(kernel, old.file)
  }

  func closeAll(_ kernel: Kernel) {
    for index in slots.indices where slots[index] != nil { try? close(kernel, Int32(index)) }
  }

  func closeOnExec(_ kernel: Kernel) {
    for index in slots.indices where slots[index]?.closeOnExec == true { try? close(kernel, Int32(index)) }
  }

  /// fork(2): an independent table of the same open files.
  func fork() -> FDTable {
    let new = FDTable()
    new.slots = slots
    for slot in slots { slot?.file.retain() }
    return new
  }

  public func shallowCopy() -> FDTable {
    let new = FDTable()
    new.slots = slots
    new.users = users
    return new
  }
  public func copyReferences(_ context: CopyContext) {
    for index in slots.indices {
      if let slot = slots[index] { slots[index] = Slot(file: context.copy(slot.file), closeOnExec: slot.closeOnExec) }
    }
  }
}
