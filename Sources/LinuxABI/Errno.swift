// Guest-visible error numbers: include/uapi/asm-generic/errno*.h, and the kernel's internal restart codes of
// include/linux/errno.h, which a syscall handler throws and the signal code turns into EINTR or a restart.

/// A Linux error number. Handlers throw it; the guest sees `-rawValue` in rax.
public struct Errno: Error, RawRepresentable, Hashable, Sendable {
  public let rawValue: Int32
  @inlinable public init(rawValue: Int32) { self.rawValue = rawValue }
  @inlinable init(_ value: Int32) { rawValue = value }
}

extension Errno {
  public static let EPERM = Errno(1)
  public static let ENOENT = Errno(2)
  public static let ESRCH = Errno(3)
  public static let EINTR = Errno(4)
  public static let EIO = Errno(5)
  public static let ENXIO = Errno(6)
  public static let E2BIG = Errno(7)
  public static let ENOEXEC = Errno(8)
  public static let EBADF = Errno(9)
  public static let ECHILD = Errno(10)
  public static let EAGAIN = Errno(11)
  public static let ENOMEM = Errno(12)
  public static let EACCES = Errno(13)
  public static let EFAULT = Errno(14)
  public static let ENOTBLK = Errno(15)
  public static let EBUSY = Errno(16)
  public static let EEXIST = Errno(17)
  public static let EXDEV = Errno(18)
  public static let ENODEV = Errno(19)
  public static let ENOTDIR = Errno(20)
  public static let EISDIR = Errno(21)
  public static let EINVAL = Errno(22)
  public static let ENFILE = Errno(23)
  public static let EMFILE = Errno(24)
  public static let ENOTTY = Errno(25)
  public static let ETXTBSY = Errno(26)
  public static let EFBIG = Errno(27)
  public static let ENOSPC = Errno(28)
  public static let ESPIPE = Errno(29)
  public static let EROFS = Errno(30)
  public static let EMLINK = Errno(31)
  public static let EPIPE = Errno(32)
  public static let EDEADLK = Errno(35)
  public static let EDOM = Errno(33)
  public static let ERANGE = Errno(34)
  
  public static let ENAMETOOLONG = Errno(36)
  public static let ENOLCK = Errno(37)
  public static let ENOSYS = Errno(38)
  public static let ENOTEMPTY = Errno(39)
  public static let ELOOP = Errno(40)
  public static let ENOMSG = Errno(42)
  public static let EIDRM = Errno(43)
  public static let ECHRNG = Errno(44)
  public static let EL2NSYNC = Errno(45)
  public static let EL3HLT = Errno(46)
  public static let EL3RST = Errno(47)
  public static let ELNRNG = Errno(48)
  public static let EUNATCH = Errno(49)
  public static let ENOCSI = Errno(50)
  public static let EL2HLT = Errno(51)
  public static let EBADE = Errno(52)
  public static let EBADR = Errno(53)
  public static let EXFULL = Errno(54)
  public static let ENOANO = Errno(55)
  public static let EBADRQC = Errno(56)
  public static let EBADSLT = Errno(57)
  public static let EBFONT = Errno(59)
  public static let ENOSTR = Errno(60)
  public static let ENODATA = Errno(61)
  public static let ETIME = Errno(62)
  public static let ENOSR = Errno(63)
  public static let ENONET = Errno(64)
  public static let ENOPKG = Errno(65)
  public static let EREMOTE = Errno(66)
  public static let ENOLINK = Errno(67)
  public static let EADV = Errno(68)
  public static let ESRMNT = Errno(69)
  public static let ECOMM = Errno(70)
  public static let EPROTO = Errno(71)
  public static let EMULTIHOP = Errno(72)
  public static let EDOTDOT = Errno(73)
  public static let EBADMSG = Errno(74)
  public static let EOVERFLOW = Errno(75)
  public static let ENOTUNIQ = Errno(76)
  public static let EBADFD = Errno(77)
  public static let EREMCHG = Errno(78)
  public static let ELIBACC = Errno(79)
  public static let ELIBBAD = Errno(80)
  public static let ELIBSCN = Errno(81)
  public static let ELIBMAX = Errno(82)
  public static let ELIBEXEC = Errno(83)
  public static let EILSEQ = Errno(84)
  public static let ERESTART = Errno(85)
  public static let ESTRPIPE = Errno(86)
  public static let EUSERS = Errno(87)
  public static let ENOTSOCK = Errno(88)
  public static let EDESTADDRREQ = Errno(89)
  public static let EMSGSIZE = Errno(90)
  public static let EPROTOTYPE = Errno(91)
  public static let ENOPROTOOPT = Errno(92)
  public static let EPROTONOSUPPORT = Errno(93)
  public static let ESOCKTNOSUPPORT = Errno(94)
  public static let EOPNOTSUPP = Errno(95)
  public static let EPFNOSUPPORT = Errno(96)
  public static let EAFNOSUPPORT = Errno(97)
  public static let EADDRINUSE = Errno(98)
  public static let EADDRNOTAVAIL = Errno(99)
  public static let ENETDOWN = Errno(100)
  public static let ENETUNREACH = Errno(101)
  public static let ENETRESET = Errno(102)
  public static let ECONNABORTED = Errno(103)
  public static let ECONNRESET = Errno(104)
  public static let ENOBUFS = Errno(105)
  public static let EISCONN = Errno(106)
  public static let ENOTCONN = Errno(107)
  public static let ESHUTDOWN = Errno(108)
  public static let ETOOMANYREFS = Errno(109)
  public static let ETIMEDOUT = Errno(110)
  public static let ECONNREFUSED = Errno(111)
  public static let EHOSTDOWN = Errno(112)
  public static let EHOSTUNREACH = Errno(113)
  public static let EALREADY = Errno(114)
  public static let EINPROGRESS = Errno(115)
  public static let ESTALE = Errno(116)
  public static let EUCLEAN = Errno(117)
  public static let ENOTNAM = Errno(118)
  public static let ENAVAIL = Errno(119)
  public static let EISNAM = Errno(120)
  public static let EREMOTEIO = Errno(121)
  public static let EDQUOT = Errno(122)
  public static let ENOMEDIUM = Errno(123)
  public static let EMEDIUMTYPE = Errno(124)
  public static let ECANCELED = Errno(125)
  public static let ENOKEY = Errno(126)
  public static let EKEYEXPIRED = Errno(127)
  public static let EKEYREVOKED = Errno(128)
  public static let EKEYREJECTED = Errno(129)
  public static let EOWNERDEAD = Errno(130)
  public static let ENOTRECOVERABLE = Errno(131)
  public static let ERFKILL = Errno(132)
  public static let EWOULDBLOCK = EAGAIN
  /// Restart if no handler ran or the handler has SA_RESTART, else EINTR.
  public static let ERESTARTSYS = Errno(512)
  /// Always restart.
  public static let ERESTARTNOINTR = Errno(513)
  /// Restart only if no handler ran, else EINTR.
  public static let ERESTARTNOHAND = Errno(514)
  /// Restart through restart_syscall(2) with the kept state if no handler ran, else EINTR.
  public static let ERESTART_RESTARTBLOCK = Errno(516)
}

extension Errno: CustomStringConvertible {
  /// The symbolic name, as strace prints it.
  public var description: String {
    switch rawValue {
    case 1: "EPERM"
    case 2: "ENOENT"
    case 3: "ESRCH"
    case 4: "EINTR"
    case 5: "EIO"
    case 6: "ENXIO"
    case 7: "E2BIG"
    case 8: "ENOEXEC"
    case 9: "EBADF"
    case 10: "ECHILD"
    case 11: "EAGAIN"
    case 12: "ENOMEM"
    case 13: "EACCES"
    case 14: "EFAULT"
    case 15: "ENOTBLK"
    case 16: "EBUSY"
    case 17: "EEXIST"
    case 18: "EXDEV"
    case 19: "ENODEV"
    case 20: "ENOTDIR"
    case 21: "EISDIR"
    case 22: "EINVAL"
    case 23: "ENFILE"
    case 24: "EMFILE"
    case 25: "ENOTTY"
    case 26: "ETXTBSY"
    case 27: "EFBIG"
    case 28: "ENOSPC"
    case 29: "ESPIPE"
    case 30: "EROFS"
    case 31: "EMLINK"
    case 32: "EPIPE"
    case 33: "EDOM"
    case 34: "ERANGE"
    case 35: "EDEADLK"
    case 36: "ENAMETOOLONG"
    case 37: "ENOLCK"
    case 38: "ENOSYS"
    case 39: "ENOTEMPTY"
    case 40: "ELOOP"
    case 42: "ENOMSG"
    case 43: "EIDRM"
    case 44: "ECHRNG"
    case 45: "EL2NSYNC"
    case 46: "EL3HLT"
    case 47: "EL3RST"
    case 48: "ELNRNG"
    case 49: "EUNATCH"
    case 50: "ENOCSI"
    case 51: "EL2HLT"
    case 52: "EBADE"
    case 53: "EBADR"
    case 54: "EXFULL"
    case 55: "ENOANO"
    case 56: "EBADRQC"
    case 57: "EBADSLT"
    case 59: "EBFONT"
    case 60: "ENOSTR"
    case 61: "ENODATA"
    case 62: "ETIME"
    case 63: "ENOSR"
    case 64: "ENONET"
    case 65: "ENOPKG"
    case 66: "EREMOTE"
    case 67: "ENOLINK"
    case 68: "EADV"
    case 69: "ESRMNT"
    case 70: "ECOMM"
    case 71: "EPROTO"
    case 72: "EMULTIHOP"
    case 73: "EDOTDOT"
    case 74: "EBADMSG"
    case 75: "EOVERFLOW"
    case 76: "ENOTUNIQ"
    case 77: "EBADFD"
    case 78: "EREMCHG"
    case 79: "ELIBACC"
    case 80: "ELIBBAD"
    case 81: "ELIBSCN"
    case 82: "ELIBMAX"
    case 83: "ELIBEXEC"
    case 84: "EILSEQ"
    case 85: "ERESTART"
    case 86: "ESTRPIPE"
    case 87: "EUSERS"
    case 88: "ENOTSOCK"
    case 89: "EDESTADDRREQ"
    case 90: "EMSGSIZE"
    case 91: "EPROTOTYPE"
    case 92: "ENOPROTOOPT"
    case 93: "EPROTONOSUPPORT"
    case 94: "ESOCKTNOSUPPORT"
    case 95: "EOPNOTSUPP"
    case 96: "EPFNOSUPPORT"
    case 97: "EAFNOSUPPORT"
    case 98: "EADDRINUSE"
    case 99: "EADDRNOTAVAIL"
    case 100: "ENETDOWN"
    case 101: "ENETUNREACH"
    case 102: "ENETRESET"
    case 103: "ECONNABORTED"
    case 104: "ECONNRESET"
    case 105: "ENOBUFS"
    case 106: "EISCONN"
    case 107: "ENOTCONN"
    case 108: "ESHUTDOWN"
    case 109: "ETOOMANYREFS"
    case 110: "ETIMEDOUT"
    case 111: "ECONNREFUSED"
    case 112: "EHOSTDOWN"
    case 113: "EHOSTUNREACH"
    case 114: "EALREADY"
    case 115: "EINPROGRESS"
    case 116: "ESTALE"
    case 117: "EUCLEAN"
    case 118: "ENOTNAM"
    case 119: "ENAVAIL"
    case 120: "EISNAM"
    case 121: "EREMOTEIO"
    case 122: "EDQUOT"
    case 123: "ENOMEDIUM"
    case 124: "EMEDIUMTYPE"
    case 125: "ECANCELED"
    case 126: "ENOKEY"
    case 127: "EKEYEXPIRED"
    case 128: "EKEYREVOKED"
    case 129: "EKEYREJECTED"
    case 130: "EOWNERDEAD"
    case 131: "ENOTRECOVERABLE"
    case 132: "ERFKILL"
    case 512: "ERESTARTSYS"
    case 513: "ERESTARTNOINTR"
    case 514: "ERESTARTNOHAND"
    case 516: "ERESTART_RESTARTBLOCK"
    default: "errno \(rawValue)"
    }
  }
}
