// The frame that a signal handler finds on its stack, and its way back: struct rt_sigframe of
// arch/x86/include/asm/sigframe.h, with the XSAVE area of arch/x86/kernel/fpu/signal.c above it.
//
//     pretcode 8 | ucontext 304 | siginfo 128 | ... | XSAVE area, 64-byte aligned, with FP_XSTATE_MAGIC2 behind it

import LinuxABI
import Platform

/// Offsets in struct rt_sigframe.
private enum Frame {
  static let size: UInt64 = 440
  static let flags = 8, stackBase = 24, stackFlags = 32, stackSize = 40
  /// struct sigcontext_64: r8...r15, di, si, bp, bx, dx, ax, cx, sp, ip, flags, then segments and fault words.
  static let context = 48
  static let segments = context + 144, error = context + 152, trap = context + 160, oldMask = context + 168
  static let faultAddress = context + 176, extendedState = context + 184
  static let mask = 304, info = 312
  /// UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS.
  static let userContextFlags: UInt64 = 7
}

/// Fields of the XSAVE area that software owns: struct _fpx_sw_bytes at 464.
private enum ExtendedState {
  static let softwareBytes = 464
  static let header = 512
  static let smallestSize = 576
  static let magic1: UInt32 = 0x4650_5853
  static let magic2: UInt32 = 0x4650_5845
}

/// FIX_EFLAGS: what a handler may change in the flags it returns to (AC OF DF TF SF ZF AF PF CF RF).
private let restorableFlags: UInt64 = 0x50dd5
private let redZone: UInt64 = 128

extension Kernel {
  /// setup_rt_frame and the register changes of handle_signal. False when the frame could not be written.
  func buildFrame(_ info: SignalInfo, _ action: SignalAction, for task: Task) -> Bool {
    // x86-64 has no return trampoline of its own: without SA_RESTORER there is no way back.
    guard action.flags & SignalActionFlag.restorer != 0 else { return false }
    guard var state = readExtendedState(task) else { return false }
    let registers = task.context.registers
    let stack = task.signals.alternateStack
    var sp = registers.rsp &- redZone
    let isNested = task.isOnAlternateStack(sp)
    var isEntering = false
    if action.flags & SignalActionFlag.onStack != 0 && stack.size != 0 && !isNested {
      sp = stack.base.rawValue &+ stack.size
      isEntering = true
    }
    sp = (sp &- UInt64(state.count)) & ~63
    let stateAddress = sp
    sp = ((sp &- Frame.size) & ~15) &- 8
    if (isNested || isEntering) && !task.isInAlternateStack(sp) { return false }

    var frame = [UInt8](repeating: 0, count: Int(stateAddress - sp))
    encode(task, action, stateAddress: stateAddress, into: &frame)
    if action.flags & SignalActionFlag.info != 0 {
      frame.replaceSubrange(Frame.info..<Frame.info + SignalInfo.size, with: info.encoded())
    }
    frame.append(contentsOf: state)
    state = []
    guard sp < GuestAddress.userEnd.rawValue, (try? task.memory.copyOut(GuestAddress(sp), frame)) != nil else {
      return false
    }
    enterHandler(task, action, signal: info.signal, frame: sp)
    return true
  }

  /// The XSAVE area as a frame holds it: FP and SSE marked as present, with the magic numbers around the size.
  private func readExtendedState(_ task: Task) -> [UInt8]? {
    var bytes: [UInt8]
    do { bytes = try machine.extendedState(of: task.context) } catch {
      machineError = error
      return nil
    }
    precondition(bytes.count >= ExtendedState.smallestSize, "the machine's XSAVE area is too small")
    let size = UInt32(bytes.count)
    let present: UInt64 = bytes.integer(at: ExtendedState.header)
    // A machine that fills in the software bytes says there which components are enabled.
    let told: UInt32 = bytes.integer(at: ExtendedState.softwareBytes)
    let enabled: UInt64 =
      told == ExtendedState.magic1 ? bytes.integer(at: ExtendedState.softwareBytes + 8) : present | 3
    bytes.setInteger(present | 3, at: ExtendedState.header)
    for i in ExtendedState.softwareBytes..<ExtendedState.header { bytes[i] = 0 }
    bytes.setInteger(ExtendedState.magic1, at: ExtendedState.softwareBytes)
    bytes.setInteger(size + 4, at: ExtendedState.softwareBytes + 4)
    bytes.setInteger(enabled, at: ExtendedState.softwareBytes + 8)
    bytes.setInteger(size, at: ExtendedState.softwareBytes + 16)
    bytes.append(contentsOf: [0, 0, 0, 0])
    bytes.setInteger(ExtendedState.magic2, at: Int(size))
    return bytes
  }

  /// pretcode, ucontext and sigcontext.
  private func encode(_ task: Task, _ action: SignalAction, stateAddress: UInt64, into frame: inout [UInt8]) {
    let r = task.context.registers
    let signals = task.signals
    let mask = (signals.savedMask ?? signals.mask).rawValue
    frame.setInteger(action.restorer.rawValue, at: 0)
    frame.setInteger(Frame.userContextFlags, at: Frame.flags)
    frame.setInteger(signals.alternateStack.base.rawValue, at: Frame.stackBase)
    frame.setInteger(signals.alternateStack.flags, at: Frame.stackFlags)
    frame.setInteger(signals.alternateStack.size, at: Frame.stackSize)
    let words = [
      r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rdi, r.rsi, r.rbp, r.rbx, r.rdx, r.rax, r.rcx, r.rsp,
      r.rip, r.eflags,
    ]
    for (index, word) in words.enumerated() { frame.setInteger(word, at: Frame.context + index * 8) }
    frame.setInteger(UInt16(truncatingIfNeeded: r.cs), at: Frame.segments)
    frame.setInteger(UInt16(truncatingIfNeeded: r.ss), at: Frame.segments + 6)
    frame.setInteger(signals.lastFault.error, at: Frame.error)
    frame.setInteger(signals.lastFault.trap, at: Frame.trap)
    frame.setInteger(mask, at: Frame.oldMask)
    frame.setInteger(signals.lastFault.address, at: Frame.faultAddress)
    frame.setInteger(stateAddress, at: Frame.extendedState)
    frame.setInteger(mask, at: Frame.mask)
  }

  private func enterHandler(_ task: Task, _ action: SignalAction, signal: Int, frame: UInt64) {
    // SS_AUTODISARM: the handler runs with no alternate stack until sigreturn restores it.
    if task.signals.alternateStack.flags < 0 { task.signals.alternateStack = (GuestAddress(0), 0, 2) }
    var registers = task.context.registers
    registers.rdi = UInt64(signal)
    registers.rax = 0
    registers.rsi = frame &+ UInt64(Frame.info)
    registers.rdx = frame &+ UInt64(Frame.flags)
    registers.rip = action.handler.rawValue
    registers.rsp = frame
    registers.cs = 0x33
    registers.ss = 0x2b
    // The direction, resume and trap flags are clear in a handler.
    registers.eflags &= ~(0x400 | 0x10000 | 0x100)
    task.context.registers = registers
    do { try machine.setExtendedState(of: task.context, []) } catch { machineError = error }
  }

  /// rt_sigreturn(2): everything as the frame says. A frame that cannot be read is a SIGSEGV.
  func returnFromHandler(_ task: Task) {
    // The handler's `ret` took pretcode off the stack.
    let address = GuestAddress(task.context.registers.rsp &- 8)
    task.restartBlock = nil
    task.syscallInProgress = nil
    guard let frame = try? task.memory.copyIn(address, Frame.info), restoreState(task, frame) else {
      task.context.registers.origRax = ~0
      return force(SignalNumber.segv, on: task)
    }
    task.signals.mask = SignalSet(rawValue: frame.integer(at: Frame.mask)).blockable
    restoreRegisters(task, frame)
    _ = try? setAlternateStack(
      of: task,
      (
        GuestAddress(frame.integer(at: Frame.stackBase)), frame.integer(at: Frame.stackSize),
        frame.integer(at: Frame.stackFlags)
      ))
  }

  /// restore_sigcontext. The selectors are those of 64-bit user code, whatever the frame says.
  private func restoreRegisters(_ task: Task, _ frame: [UInt8]) {
    func word(_ index: Int) -> UInt64 { frame.integer(at: Frame.context + index * 8) }
    var r = task.context.registers
    r.r8 = word(0); r.r9 = word(1); r.r10 = word(2); r.r11 = word(3)
    r.r12 = word(4); r.r13 = word(5); r.r14 = word(6); r.r15 = word(7)
    r.rdi = word(8); r.rsi = word(9); r.rbp = word(10); r.rbx = word(11)
    r.rdx = word(12); r.rax = word(13); r.rcx = word(14); r.rsp = word(15); r.rip = word(16)
    r.eflags = (r.eflags & ~restorableFlags) | (word(17) & restorableFlags)
    r.cs = 0x33
    r.ss = 0x2b
    r.origRax = ~0
    task.context.registers = r
  }

  /// fpu__restore_sig: the XSAVE area behind the frame, or the initial state when there is none.
  private func restoreState(_ task: Task, _ frame: [UInt8]) -> Bool {
    let address = GuestAddress(frame.integer(at: Frame.extendedState))
    var state: [UInt8] = []
    if address.rawValue != 0 {
      guard let legacy = try? task.memory.copyIn(address, ExtendedState.header) else { return false }
      let size = Int(legacy.integer(at: ExtendedState.softwareBytes + 16, as: UInt32.self))
      let extended = Int(legacy.integer(at: ExtendedState.softwareBytes + 4, as: UInt32.self))
      let isExtended =
        legacy.integer(at: ExtendedState.softwareBytes) == ExtendedState.magic1
        && size >= ExtendedState.smallestSize && size <= 16384 && size <= extended
      if isExtended, let all = try? task.memory.copyIn(address, size + 4),
        all.integer(at: size) == ExtendedState.magic2
      {
        state = Array(all[..<size])
        let features: UInt64 = state.integer(at: ExtendedState.softwareBytes + 8)
        let present: UInt64 = state.integer(at: ExtendedState.header)
        state.setInteger(present & features, at: ExtendedState.header)
        // The header's other words and the software's bytes mean nothing to the processor.
        for i in ExtendedState.header + 8..<ExtendedState.smallestSize { state[i] = 0 }
      } else {
        // A frame of FXSAVE only: FP and SSE come from it, the rest is initial.
        state = legacy + [UInt8](repeating: 0, count: ExtendedState.smallestSize - ExtendedState.header)
        state.setInteger(3 as UInt64, at: ExtendedState.header)
      }
      for i in ExtendedState.softwareBytes..<ExtendedState.header { state[i] = 0 }
    }
    do { try machine.setExtendedState(of: task.context, state) } catch {
      machineError = error
      return false
    }
    return true
  }

  /// do_sigaltstack for a new stack. EPERM, EINVAL and ENOMEM as sigaltstack(2).
  func setAlternateStack(of task: Task, _ new: (base: GuestAddress, size: UInt64, flags: Int32)) throws(Errno) {
    if task.isOnAlternateStack(task.context.registers.rsp) { throw .EPERM }
    let mode = new.flags & 0x7fff_ffff
    if mode != 0 && mode != 1 && mode != 2 { throw .EINVAL }
    if mode == 2 {
      task.signals.alternateStack = (GuestAddress(0), 0, new.flags)
      return
    }
    // MINSIGSTKSZ.
    if new.size < 2048 { throw .ENOMEM }
    task.signals.alternateStack = new
  }
}

extension Task {
  /// on_sig_stack: never with SS_AUTODISARM.
  func isOnAlternateStack(_ sp: UInt64) -> Bool { signals.alternateStack.flags >= 0 && isInAlternateStack(sp) }

  func isInAlternateStack(_ sp: UInt64) -> Bool {
    let stack = signals.alternateStack
    return sp > stack.base.rawValue && sp - stack.base.rawValue <= stack.size
  }
}
