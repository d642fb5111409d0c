// What clone(2) and clone3(2) were asked for, decoded and checked as kernel_clone and copy_process do.

import LinuxABI
import Platform

/// CLONE_* flags.
struct CloneFlags: OptionSet, Hashable, Sendable {
  let rawValue: UInt64
  static let memory = CloneFlags(rawValue: 0x100)
  static let fs = CloneFlags(rawValue: 0x200)
  static let files = CloneFlags(rawValue: 0x400)
  static let handlers = CloneFlags(rawValue: 0x800)
  static let pidfd = CloneFlags(rawValue: 0x1000)
  static let vfork = CloneFlags(rawValue: 0x4000)
  static let parent = CloneFlags(rawValue: 0x8000)
  static let thread = CloneFlags(rawValue: 0x10000)
  static let newMounts = CloneFlags(rawValue: 0x20000)
  static let setTLS = CloneFlags(rawValue: 0x80000)
  static let parentSetTID = CloneFlags(rawValue: 0x100000)
  static let childClearTID = CloneFlags(rawValue: 0x200000)
  static let detached = CloneFlags(rawValue: 0x400000)
  static let childSetTID = CloneFlags(rawValue: 0x1000000)
  static let newUser = CloneFlags(rawValue: 0x1000_0000)
  static let newPID = CloneFlags(rawValue: 0x2000_0000)
  static let clearHandlers = CloneFlags(rawValue: 0x1_0000_0000)
  static let intoControlGroup = CloneFlags(rawValue: 0x2_0000_0000)
  /// NEWNS NEWCGROUP NEWUTS NEWIPC NEWUSER NEWPID NEWNET, and NEWTIME, which shares its bit with the exit signal.
  static let namespaces = CloneFlags(rawValue: 0x7e02_0000 & ~0x0000_0080)
}

struct CloneOptions {
  var flags: CloneFlags
  var exitSignal: UInt8 = 0
  /// 0: the parent's stack pointer.
  var stack: UInt64 = 0
  var tls: UInt64 = 0
  var pidfd = GuestAddress(0)
  var parentTID = GuestAddress(0)
  var childTID = GuestAddress(0)

  init(flags: CloneFlags) { self.flags = flags }

  /// clone(2) in the order of x86-64: flags, stack, parent_tid, child_tid, tls.
  init(clone call: Syscall) throws(Errno) {
    // CLONE_DETACHED means nothing to clone.
    flags = CloneFlags(rawValue: call[0] & 0xffff_ff00).subtracting(.detached)
    exitSignal = UInt8(truncatingIfNeeded: call[0])
    stack = call[1]
    pidfd = call.address(2)
    parentTID = call.address(2)
    childTID = call.address(3)
    tls = call[4]
    // One pointer cannot be both.
    if flags.contains(.pidfd) && (flags.contains(.parentSetTID) || call[0] & 0x400000 != 0) { throw .EINVAL }
    if exitSignal > 64 { throw .EINVAL }
  }

  /// struct clone_args.
  init(clone3 call: Syscall) throws(Errno) {
    let size = call[1]
    if size < 64 { throw .EINVAL }
    if size > GuestAddress.pageSize { throw .E2BIG }
    var bytes = try call.memory.copyIn(call.address(0), Int(size))
    // copy_struct_from_user: unknown fields must be zero.
    if bytes.count > 88 && bytes[88...].contains(where: { $0 != 0 }) { throw .E2BIG }
    while bytes.count < 88 { bytes.append(0) }
    func field(_ index: Int) -> UInt64 { bytes.integer(at: index * 8) }
    flags = CloneFlags(rawValue: field(0))
    pidfd = GuestAddress(field(1))
    childTID = GuestAddress(field(2))
    parentTID = GuestAddress(field(3))
    exitSignal = UInt8(truncatingIfNeeded: field(4))
    tls = field(7)
    if field(9) > 32 { throw .EINVAL }
    if (field(8) == 0) != (field(9) == 0) { throw .EINVAL }
    if field(4) > 64 { throw .EINVAL }
    if flags.rawValue & ~0x3_ffff_ffff != 0 { throw .EINVAL }
    // The low byte is clone's exit signal; only CLONE_NEWTIME lives there.
    if flags.rawValue & 0x7f != 0 || flags.contains(.detached) { throw .EINVAL }
    if flags.contains(.clearHandlers) && flags.contains(.handlers) { throw .EINVAL }
    if !flags.isDisjoint(with: [.thread, .parent]) && exitSignal != 0 { throw .EINVAL }
    let (stackBase, stackSize) = (field(5), field(6))
    if (stackBase == 0) != (stackSize == 0) { throw .EINVAL }
    if stackBase != 0 {
      let (end, overflow) = stackBase.addingReportingOverflow(stackSize)
      if overflow || end > GuestAddress.userEnd.rawValue { throw .EINVAL }
      stack = end
    }
    // Choosing ids needs CAP_CHECKPOINT_RESTORE, and would collide with ids that are never reused.
    if field(9) != 0 { throw .EPERM }
    if flags.contains(.intoControlGroup) { throw .EINVAL }
    // CLONE_NEWTIME.
    if flags.rawValue & 0x80 != 0 { throw .EPERM }
  }

  /// The combinations that copy_process refuses. Namespaces are not offered.
  func validate(for task: Task, _ kernel: Kernel) throws(Errno) {
    if flags.contains(.fs) && !flags.isDisjoint(with: [.newMounts, .newUser]) { throw .EINVAL }
    if flags.contains(.thread) && !flags.contains(.handlers) { throw .EINVAL }
    if flags.contains(.handlers) && !flags.contains(.memory) { throw .EINVAL }
    if flags.contains(.parent) && task.group === kernel.initProcess { throw .EINVAL }
    if flags.contains(.thread) && !flags.isDisjoint(with: [.newUser, .newPID]) { throw .EINVAL }
    if !flags.isDisjoint(with: .namespaces) { throw .EPERM }
    // ARCH_SET_FS of an address that is not the user's.
    if flags.contains(.setTLS) && tls >= GuestAddress.userEnd.rawValue { throw .EPERM }
  }
}
