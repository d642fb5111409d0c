// User and group ids, supplementary groups and capabilities: credentials(7), capabilities(7), kernel/sys.c.

import LinuxABI
import Platform

extension SyscallTable {
  static var credentialSyscalls: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.getuid) { .value(Int64($0.task.credentials.realUser)) },
      SyscallEntry(SyscallNumber.geteuid) { .value(Int64($0.task.credentials.effectiveUser)) },
      SyscallEntry(SyscallNumber.getgid) { .value(Int64($0.task.credentials.realGroup)) },
      SyscallEntry(SyscallNumber.getegid) { .value(Int64($0.task.credentials.effectiveGroup)) },
      SyscallEntry(SyscallNumber.getresuid, .full, CredentialSyscalls.getAllUsers),
      SyscallEntry(SyscallNumber.getresgid, .full, CredentialSyscalls.getAllGroups),
      SyscallEntry(SyscallNumber.setuid, .full, CredentialSyscalls.setUser),
      SyscallEntry(SyscallNumber.setgid, .full, CredentialSyscalls.setGroup),
      SyscallEntry(SyscallNumber.setreuid, .full, CredentialSyscalls.setRealAndEffectiveUser),
      SyscallEntry(SyscallNumber.setregid, .full, CredentialSyscalls.setRealAndEffectiveGroup),
      SyscallEntry(SyscallNumber.setresuid, .full, CredentialSyscalls.setAllUsers),
      SyscallEntry(SyscallNumber.setresgid, .full, CredentialSyscalls.setAllGroups),
      SyscallEntry(SyscallNumber.setfsuid, .full, CredentialSyscalls.setFSUser),
      SyscallEntry(SyscallNumber.setfsgid, .full, CredentialSyscalls.setFSGroup),
      SyscallEntry(SyscallNumber.getgroups, .full, CredentialSyscalls.getGroups),
      SyscallEntry(SyscallNumber.setgroups, .full, CredentialSyscalls.setGroups),
      SyscallEntry(SyscallNumber.capget, .full, CredentialSyscalls.getCapabilities),
      SyscallEntry(SyscallNumber.capset, .full, CredentialSyscalls.setCapabilities),
    ]
  }
}

/// Capability numbers of include/uapi/linux/capability.h that the calls here ask for.
private enum Capability {
  static let setGroup = 6, setUser = 7, setCapabilities = 8
  /// CAP_FS_SET: what setfsuid takes and gives: CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, LINUX_IMMUTABLE,
  /// MKNOD, MAC_OVERRIDE.
  static let fileSystem: UInt64 = 0x1f | 1 << 9 | 1 << 27 | 1 << 32
}

enum CredentialSyscalls {
  /// -1 as uid_t: leave it.
  private static let unchanged = UInt32.max

  private static func storeThree(_ call: Syscall, _ values: [UInt32]) throws(Errno) -> SyscallOutcome {
    for (index, value) in values.enumerated() { try call.memory.store(call.address(index), value) }
    return .success
  }
  static func getAllUsers(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let c = call.task.credentials
    return try storeThree(call, [c.realUser, c.effectiveUser, c.savedUser])
  }
  static func getAllGroups(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let c = call.task.credentials
    return try storeThree(call, [c.realGroup, c.effectiveGroup, c.savedGroup])
  }

  /// commit_creds: new credentials take effect, and a change of identity makes the process undumpable.
  private static func commit(_ call: Syscall, _ new: Credentials) -> SyscallOutcome {
    let old = call.task.credentials
    if old.effectiveUser != new.effectiveUser || old.effectiveGroup != new.effectiveGroup || old.fsUser != new.fsUser
      || old.fsGroup != new.fsGroup
    {
      call.task.group.dumpable = 0
      call.task.parentDeathSignal = 0
    }
    call.task.credentials = new
    return .success
  }

  /// cap_emulate_setxuid of security/commoncap.c: leaving uid 0 takes capabilities, returning gives them back.
  private static func adjustCapabilities(_ new: inout Credentials, from old: Credentials) {
    let wasRoot = old.realUser == 0 || old.effectiveUser == 0 || old.savedUser == 0
    let isRoot = new.realUser == 0 || new.effectiveUser == 0 || new.savedUser == 0
    if wasRoot && !isRoot {
      if !old.keepCapabilities {
        new.permittedCapabilities = 0
        new.effectiveCapabilities = 0
      }
      new.ambientCapabilities = 0
    }
    if old.effectiveUser == 0 && new.effectiveUser != 0 { new.effectiveCapabilities = 0 }
    if old.effectiveUser != 0 && new.effectiveUser == 0 { new.effectiveCapabilities = new.permittedCapabilities }
  }

  // MARK: Users

  static func setUser(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let user = call.uint32(0)
    if user == unchanged { throw .EINVAL }
    let old = call.task.credentials
    var new = old
    if old.hasCapability(Capability.setUser) {
      new.realUser = user
      new.savedUser = user
    } else if user != old.realUser && user != old.savedUser {
      throw .EPERM
    }
    new.effectiveUser = user
    new.fsUser = user
    adjustCapabilities(&new, from: old)
    return commit(call, new)
  }

  static func setRealAndEffectiveUser(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let (real, effective) = (call.uint32(0), call.uint32(1))
    let old = call.task.credentials
    var new = old
    let isPrivileged = old.hasCapability(Capability.setUser)
    if real != unchanged {
      if real != old.realUser && real != old.effectiveUser && !isPrivileged { throw .EPERM }
      new.realUser = real
    }
    if effective != unchanged {
      if ![old.realUser, old.effectiveUser, old.savedUser].contains(effective) && !isPrivileged { throw .EPERM }
      new.effectiveUser = effective
    }
    if real != unchanged || (effective != unchanged && effective != old.realUser) { new.savedUser = new.effectiveUser }
    new.fsUser = new.effectiveUser
    adjustCapabilities(&new, from: old)
    return commit(call, new)
  }

  static func setAllUsers(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let old = call.task.credentials
    var new = old
    let allowed = [old.realUser, old.effectiveUser, old.savedUser]
    for wanted in [call.uint32(0), call.uint32(1), call.uint32(2)]
    where wanted != unchanged && !allowed.contains(wanted) && !old.hasCapability(Capability.setUser) { throw .EPERM }
    if call.uint32(0) != unchanged { new.realUser = call.uint32(0) }
    if call.uint32(1) != unchanged { new.effectiveUser = call.uint32(1) }
    if call.uint32(2) != unchanged { new.savedUser = call.uint32(2) }
    new.fsUser = new.effectiveUser
    adjustCapabilities(&new, from: old)
    return commit(call, new)
  }

  /// Never fails: the result is the old id, changed or not.
  static func setFSUser(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let user = call.uint32(0)
    let old = call.task.credentials
    let allowed = [old.realUser, old.effectiveUser, old.savedUser, old.fsUser]
    if user != unchanged, user != old.fsUser, allowed.contains(user) || old.hasCapability(Capability.setUser) {
      var new = old
      new.fsUser = user
      if old.fsUser == 0 { new.effectiveCapabilities &= ~Capability.fileSystem }
      if user == 0 { new.effectiveCapabilities |= new.permittedCapabilities & Capability.fileSystem }
      _ = commit(call, new)
    }
    return .value(Int64(old.fsUser))
  }

  // MARK: Groups

  static func setGroup(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let group = call.uint32(0)
    if group == unchanged { throw .EINVAL }
    let old = call.task.credentials
    var new = old
    if old.hasCapability(Capability.setGroup) {
      new.realGroup = group
      new.savedGroup = group
    } else if group != old.realGroup && group != old.savedGroup {
      throw .EPERM
    }
    new.effectiveGroup = group
    new.fsGroup = group
    return commit(call, new)
  }

  static func setRealAndEffectiveGroup(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let (real, effective) = (call.uint32(0), call.uint32(1))
    let old = call.task.credentials
    var new = old
    let isPrivileged = old.hasCapability(Capability.setGroup)
    if real != unchanged {
      if real != old.realGroup && real != old.effectiveGroup && !isPrivileged { throw .EPERM }
      new.realGroup = real
    }
    if effective != unchanged {
      if ![old.realGroup, old.effectiveGroup, old.savedGroup].contains(effective) && !isPrivileged { throw .EPERM }
      new.effectiveGroup = effective
    }
    if real != unchanged || (effective != unchanged && effective != old.realGroup) {
      new.savedGroup = new.effectiveGroup
    }
    new.fsGroup = new.effectiveGroup
    return commit(call, new)
  }

  static func setAllGroups(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let old = call.task.credentials
    var new = old
    let allowed = [old.realGroup, old.effectiveGroup, old.savedGroup]
    for wanted in [call.uint32(0), call.uint32(1), call.uint32(2)]
    where wanted != unchanged && !allowed.contains(wanted) && !old.hasCapability(Capability.setGroup) { throw .EPERM }
    if call.uint32(0) != unchanged { new.realGroup = call.uint32(0) }
    if call.uint32(1) != unchanged { new.effectiveGroup = call.uint32(1) }
    if call.uint32(2) != unchanged { new.savedGroup = call.uint32(2) }
    new.fsGroup = new.effectiveGroup
    return commit(call, new)
  }

  static func setFSGroup(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let group = call.uint32(0)
    let old = call.task.credentials
    let allowed = [old.realGroup, old.effectiveGroup, old.savedGroup, old.fsGroup]
    if group != unchanged, group != old.fsGroup, allowed.contains(group) || old.hasCapability(Capability.setGroup) {
      var new = old
      new.fsGroup = group
      _ = commit(call, new)
    }
    return .value(Int64(old.fsGroup))
  }

  static func getGroups(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let groups = call.task.credentials.supplementaryGroups
    let size = call.int32(0)
    if size < 0 { throw .EINVAL }
    if size > 0 {
      if groups.count > Int(size) { throw .EINVAL }
      var bytes: [UInt8] = []
      for group in groups { bytes.appendInteger(group) }
      try call.memory.copyOut(call.address(1), bytes)
    }
    return .value(groups.count)
  }

  static func setGroups(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    if !call.task.credentials.hasCapability(Capability.setGroup) { throw .EPERM }
    let count = call.uint32(0)
    if count > 65536 { throw .EINVAL }
    let bytes = try call.memory.copyIn(call.address(1), Int(count) * 4)
    let groups = (0..<Int(count)).map { bytes.integer(at: $0 * 4, as: UInt32.self) }
    if groups.contains(unchanged) { throw .EINVAL }
    call.task.credentials.supplementaryGroups = groups.sorted()
    return .success
  }

  // MARK: Capabilities

  /// The number of 32-bit words a set of a header's version has. An unknown version is answered with the newest.
  private static func capabilityWords(_ call: Syscall) throws(Errno) -> Int {
    let version: UInt32 = try call.memory.load(call.address(0))
    switch version {
    case 0x1998_0330: return 1
    case 0x2007_1026, 0x2008_0522: return 2
    default:
      try call.memory.store(call.address(0), 0x2008_0522 as UInt32)
      throw .EINVAL
    }
  }

  static func getCapabilities(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let words: Int
    do throws(Errno) { words = try capabilityWords(call) } catch {
      // The way to ask for the version.
      if error == .EINVAL && call[1] == 0 { return .success }
      throw error
    }
    if call[1] == 0 { return .success }
    let id: Int32 = try call.memory.load(call.address(0) + 4)
    if id < 0 { throw .EINVAL }
    guard let target = id == 0 ? call.task : call.kernel.tasks[TaskID(id)] else { throw .ESRCH }
    let c = target.credentials
    var bytes: [UInt8] = []
    for word in 0..<words {
      for set in [c.effectiveCapabilities, c.permittedCapabilities, c.inheritableCapabilities] {
        bytes.appendInteger(UInt32(truncatingIfNeeded: set >> UInt64(32 * word)))
      }
    }
    try call.memory.copyOut(call.address(1), bytes)
    return .success
  }

  /// cap_capset of security/commoncap.c.
  static func setCapabilities(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let words = try capabilityWords(call)
    let id: Int32 = try call.memory.load(call.address(0) + 4)
    if id != 0 && id != call.task.id.rawValue { throw .EPERM }
    let bytes = try call.memory.copyIn(call.address(1), 12 * words)
    func set(_ index: Int) -> UInt64 {
      var value: UInt64 = 0
      for word in 0..<words { value |= UInt64(bytes.integer(at: word * 12 + index * 4, as: UInt32.self)) << (32 * word) }
      return value & Credentials.allCapabilities
    }
    let (effective, permitted, inheritable) = (set(0), set(1), set(2))
    var new = call.task.credentials
    let fromPermitted = new.inheritableCapabilities | new.permittedCapabilities
    if inheritable & ~fromPermitted != 0 && !new.hasCapability(Capability.setCapabilities) { throw .EPERM }
    if inheritable & ~(new.inheritableCapabilities | new.boundingCapabilities) != 0 { throw .EPERM }
    if permitted & ~new.permittedCapabilities != 0 { throw .EPERM }
    if effective & ~permitted != 0 { throw .EPERM }
    new.effectiveCapabilities = effective
    new.permittedCapabilities = permitted
    new.inheritableCapabilities = inheritable
    new.ambientCapabilities &= permitted & inheritable
    return commit(call, new)
  }
}
