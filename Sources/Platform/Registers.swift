// The general register file of a guest task, in the order of the host's user_regs_struct
// (arch/x86/include/asm/user_64.h), so that the ptrace platform can copy it as one block.

/// General registers, flags, segment bases. 27 words; the layout is part of the trace format.
@frozen public struct Registers: Hashable, Sendable {
  public var r15: UInt64 = 0
  public var r14: UInt64 = 0
  public var r13: UInt64 = 0
  public var r12: UInt64 = 0
  public var rbp: UInt64 = 0
  public var rbx: UInt64 = 0
  public var r11: UInt64 = 0
  public var r10: UInt64 = 0
  public var r9: UInt64 = 0
  public var r8: UInt64 = 0
  public var rax: UInt64 = 0
  public var rcx: UInt64 = 0
  public var rdx: UInt64 = 0
  public var rsi: UInt64 = 0
  public var rdi: UInt64 = 0
  /// The syscall number at a syscall trap; -1 (all ones) otherwise.
  public var origRax: UInt64 = ~0
  public var rip: UInt64 = 0
  public var cs: UInt64 = 0x33
  public var eflags: UInt64 = 0x202
  public var rsp: UInt64 = 0
  public var ss: UInt64 = 0x2b
  public var fsBase: UInt64 = 0
  public var gsBase: UInt64 = 0
  public var ds: UInt64 = 0
  public var es: UInt64 = 0
  public var fs: UInt64 = 0
  public var gs: UInt64 = 0

  public static let wordCount = 27
  /// The place of eflags in storage order.
  public static let flagsIndex = 18
  /// CF, PF, AF, ZF, SF and OF. Processors of different makers leave different values in those that the manuals call
  /// undefined after an instruction, so what must be equal on all of them leaves these out.
  public static let statusFlags: UInt64 = 0x8d5
  /// RF, which the processor sets in what it stores at a fault, and some at other traps.
  public static let resumeFlag: UInt64 = 0x1_0000
  /// Names in storage order, for divergence reports.
  public static let names = [
    "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi",
    "orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs",
  ]

  public init() {}

  /// The registers as words in storage order.
  @inlinable public var words: InlineArray<27, UInt64> {
    [
      r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, origRax, rip, cs, eflags, rsp, ss,
      fsBase, gsBase, ds, es, fs, gs,
    ]
  }

  @inlinable public init(words w: InlineArray<27, UInt64>) {
    r15 = w[0]; r14 = w[1]; r13 = w[2]; r12 = w[3]; rbp = w[4]; rbx = w[5]; r11 = w[6]; r10 = w[7]
    r9 = w[8]; r8 = w[9]; rax = w[10]; rcx = w[11]; rdx = w[12]; rsi = w[13]; rdi = w[14]; origRax = w[15]
    rip = w[16]; cs = w[17]; eflags = w[18]; rsp = w[19]; ss = w[20]; fsBase = w[21]; gsBase = w[22]
    ds = w[23]; es = w[24]; fs = w[25]; gs = w[26]
  }

  /// Syscall arguments in order: rdi rsi rdx r10 r8 r9.
  @inlinable public var syscallArguments: InlineArray<6, UInt64> { [rdi, rsi, rdx, r10, r8, r9] }
}

/// The register file of one guest task. The kernel changes `registers` freely while the task is stopped; the
/// machine loads them at the next `run`, and a recording notes the words that differ from the last trap.
/// The extended (XSAVE) state stays with the machine; see `Machine.extendedState(of:)`.
public final class ExecutionContext {
  public let id: ContextID
  /// The space the task runs in. Changed by execve.
  public var space: AddressSpaceID
  public var registers: Registers

  public init(id: ContextID, space: AddressSpaceID, registers: Registers = Registers()) {
    self.id = id
    self.space = space
    self.registers = registers
  }
}
