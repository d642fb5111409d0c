// What stat(2) and statx(2) tell of a file, and their layouts.

import LinuxABI

/// The answer to stat, before it is laid out.
struct FileStatus: Hashable, Sendable {
  var device: UInt64
  var number: UInt64
  var mode: UInt32
  var links: UInt32
  var user: UInt32
  var group: UInt32
  var deviceNumber: UInt64 = 0
  var size: Int64
  var blockSize: Int64 = 4096
  var accessed: Nanoseconds
  var modified: Nanoseconds
  var changed: Nanoseconds

  /// eventfd, epoll and kin share one inode (fs/anon_inodes.c).
  static let anonymous = FileStatus(
    device: FileSystemKind.anonymous.device, number: 1, mode: 0o600, links: 1, user: 0, group: 0, size: 0,
    accessed: .zero, modified: .zero, changed: .zero)

  /// Units of 512 bytes, as if each file were stored whole.
  var blocks: Int64 {
    switch mode & FileMode.typeMask {
    case FileMode.regular: (size + 4095) / 4096 * 8
    case FileMode.directory: 8
    default: 0
    }
  }

  /// struct stat of arch/x86/include/uapi/asm/stat.h, 144 bytes.
  var encoded: [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(144)
    out.appendInteger(device)
    out.appendInteger(number)
    out.appendInteger(UInt64(links))
    out.appendInteger(mode)
    out.appendInteger(user)
    out.appendInteger(group)
    out.appendInteger(0 as UInt32)
    out.appendInteger(deviceNumber)
    out.appendInteger(size)
    out.appendInteger(blockSize)
    out.appendInteger(blocks)
    for time in [accessed, modified, changed] {
      let (seconds, nanoseconds) = time.secondsAndNanoseconds
      out.appendInteger(seconds)
      out.appendInteger(nanoseconds)
    }
    out.append(contentsOf: repeatElement(0, count: 144 - out.count))
    return out
  }

  /// struct statx of include/uapi/linux/stat.h, 256 bytes: STATX_BASIC_STATS and STATX_MNT_ID. No birth time.
  var encodedStatx: [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(256)
    out.appendInteger(0x7ff as UInt32 | 0x1000)
    out.appendInteger(UInt32(blockSize))
    out.appendInteger(0 as UInt64)
    out.appendInteger(links)
    out.appendInteger(user)
    out.appendInteger(group)
    out.appendInteger(UInt16(truncatingIfNeeded: mode))
    out.appendInteger(0 as UInt16)
    out.appendInteger(number)
    out.appendInteger(UInt64(size))
    out.appendInteger(UInt64(blocks))
    out.appendInteger(0 as UInt64)
    for time in [accessed, Nanoseconds.zero, changed, modified] {
      let (seconds, nanoseconds) = time.secondsAndNanoseconds
      out.appendInteger(seconds)
      out.appendInteger(UInt32(nanoseconds))
      out.appendInteger(0 as Int32)
    }
    for number in [deviceNumber, device] {
      out.appendInteger(deviceMajor(number))
      out.appendInteger(deviceMinor(number))
    }
    out.appendInteger(1 as UInt64)
    out.append(contentsOf: repeatElement(0, count: 256 - out.count))
    return out
  }
}

extension Nanoseconds {
  /// struct timespec; the nanoseconds are never negative.
  var secondsAndNanoseconds: (Int64, Int64) {
    let (quotient, remainder) = rawValue.quotientAndRemainder(dividingBy: 1_000_000_000)
    return remainder < 0 ? (quotient - 1, remainder + 1_000_000_000) : (quotient, remainder)
  }
}

extension Inode {
  func status() -> FileStatus {
    FileStatus(
      device: fileSystem.device, number: number, mode: mode, links: links, user: user, group: group,
      deviceNumber: deviceNumber, size: size, accessed: accessed ?? modified, modified: modified, changed: changed)
  }
}
