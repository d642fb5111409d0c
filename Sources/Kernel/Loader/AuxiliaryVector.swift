// What the kernel tells a program at its start: getauxval(3).

import LinuxABI

/// One pair of the auxiliary vector.
struct AuxiliaryEntry: Hashable, Sendable {
  var type: UInt64
  var value: UInt64
}

/// AT_*: include/uapi/linux/auxvec.h and arch/x86/include/uapi/asm/auxvec.h.
enum AuxiliaryType {
  static let null: UInt64 = 0, programHeaders: UInt64 = 3, programHeaderSize: UInt64 = 4
  static let programHeaderCount: UInt64 = 5, pageSize: UInt64 = 6, interpreterBase: UInt64 = 7, flags: UInt64 = 8
  static let entry: UInt64 = 9, user: UInt64 = 11, effectiveUser: UInt64 = 12, group: UInt64 = 13
  static let effectiveGroup: UInt64 = 14, platform: UInt64 = 15, hardwareCapabilities: UInt64 = 16
  static let clockTicks: UInt64 = 17, secure: UInt64 = 23, random: UInt64 = 25, hardwareCapabilities2: UInt64 = 26
  static let executableName: UInt64 = 31, vdso: UInt64 = 33, minimumSignalStack: UInt64 = 51
}

extension KernelConfiguration {
  /// AT_MINSIGSTKSZ: the extended state and 944 bytes for the largest frame with its padding, rounded up to 16. That is what
  /// get_sigframe_size of arch/x86/kernel/signal.c comes to on kernels that also run 32-bit programs.
  var minimumSignalStackBytes: UInt64 {
    UInt64(((processor?.extendedStateBytes ?? extendedStateBytes) + 944 + 15) / 16 * 16)
  }

  /// AT_HWCAP.
  var hardwareCapabilitiesShown: UInt64 { processor?.hardwareCapabilities(cpuCount) ?? hardwareCapabilities }
  /// AT_HWCAP2: neither ring-3 MWAIT nor FSGSBASE on a model.
  var hardwareCapabilities2Shown: UInt64 { processor == nil ? hardwareCapabilities2 : 0 }
}
