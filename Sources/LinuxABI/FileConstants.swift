// Guest-visible numbers of the file system calls: include/uapi/asm-generic/fcntl.h, include/uapi/linux/stat.h,
// include/uapi/linux/fcntl.h, include/uapi/linux/fs.h.

/// st_mode: the type of a file and its permission bits.
public enum FileMode {
  public static let typeMask: UInt32 = 0o170000
  public static let socket: UInt32 = 0o140000
  public static let symbolicLink: UInt32 = 0o120000
  public static let regular: UInt32 = 0o100000
  public static let blockDevice: UInt32 = 0o060000
  public static let directory: UInt32 = 0o040000
  public static let characterDevice: UInt32 = 0o020000
  public static let fifo: UInt32 = 0o010000
  public static let setUser: UInt32 = 0o4000
  public static let setGroup: UInt32 = 0o2000
  public static let sticky: UInt32 = 0o1000
}

/// Flags of open(2), also those that F_GETFL shows.
public enum OpenFlags {
  public static let accessMask: UInt32 = 0o3
  public static let readOnly: UInt32 = 0
  public static let writeOnly: UInt32 = 1
  public static let readWrite: UInt32 = 2
  public static let create: UInt32 = 0o100
  public static let exclusive: UInt32 = 0o200
  public static let noControllingTerminal: UInt32 = 0o400
  public static let truncate: UInt32 = 0o1000
  public static let append: UInt32 = 0o2000
  public static let nonblocking: UInt32 = 0o4000
  public static let dataSync: UInt32 = 0o10000
  public static let async: UInt32 = 0o20000
  public static let direct: UInt32 = 0o40000
  public static let largeFile: UInt32 = 0o100000
  public static let directory: UInt32 = 0o200000
  public static let noFollow: UInt32 = 0o400000
  public static let noAccessTime: UInt32 = 0o1000000
  public static let closeOnExec: UInt32 = 0o2000000
  public static let sync: UInt32 = 0o4010000
  public static let path: UInt32 = 0o10000000
  public static let temporaryFile: UInt32 = 0o20200000
}

/// AT_* flags and the descriptor that means the working directory.
public enum AtFlags {
  public static let workingDirectory: Int32 = -100
  public static let symlinkNoFollow: UInt32 = 0x100
  public static let effectiveAccess: UInt32 = 0x200
  public static let removeDirectory: UInt32 = 0x200
  public static let symlinkFollow: UInt32 = 0x400
  public static let noAutomount: UInt32 = 0x800
  public static let emptyPath: UInt32 = 0x1000
}

/// RESOLVE_* of openat2(2).
public enum ResolveFlags {
  public static let noCrossDevice: UInt64 = 0x01
  public static let noMagicLinks: UInt64 = 0x02
  public static let noSymlinks: UInt64 = 0x04
  public static let beneath: UInt64 = 0x08
  public static let inRoot: UInt64 = 0x10
  public static let cached: UInt64 = 0x20
}

/// Capability numbers that file access asks for: include/uapi/linux/capability.h.
public enum FileCapability {
  public static let changeOwner = 0
  public static let dacOverride = 1
  public static let dacReadSearch = 2
  public static let fileOwner = 3
  public static let fileSetID = 4
  public static let sysChroot = 18
  public static let makeNode = 27
}

/// dev_t as stat shows it: new_encode_dev of include/linux/kdev_t.h.
public func encodeDevice(major: UInt32, minor: UInt32) -> UInt64 {
  UInt64(minor & 0xff) | UInt64(major & 0xfff) << 8 | UInt64(minor & ~0xff) << 12
}

public func deviceMajor(_ device: UInt64) -> UInt32 { UInt32(device >> 8 & 0xfff) }
public func deviceMinor(_ device: UInt64) -> UInt32 {
  UInt32(truncatingIfNeeded: (device & 0xff) | ((device >> 12) & 0xffff_ff00))
}
