// execve's work on memory: a new address space with the program, its interpreter, the vdso and the stack in it.
// fs/exec.c, fs/binfmt_elf.c, fs/binfmt_script.c.

import LinuxABI
import Platform

extension Kernel {
  /// Scripts whose interpreter is a script, at most (exec_binprm of fs/exec.c).
  private static let interpretersMax = 5

  /// Loads a program into a new address space: ELF (static, static-PIE, dynamic) or `#!` script. `invokedAs` is the path
  /// as execve was given it; scripts, AT_EXECFN and comm see it. On failure nothing is left behind.
  ///
  /// ENOEXEC (`executableProblem` says why), ELOOP (scripts of scripts), E2BIG, ENOMEM, ELIBBAD (interpreter no ELF file), and
  /// what opening an interpreter throws.
  func loadProgram(
    _ file: ProgramFile, invokedAs: [UInt8]? = nil, arguments: [[UInt8]], environment: [[UInt8]], fs: FSContext,
    credentials: Credentials, limits: ResourceLimits
  ) throws(Errno) -> LoadedProgram {
    executableProblem = nil
    let name = invokedAs ?? file.path
    // An empty argv becomes one empty string, since Linux 5.18.
    var arguments = arguments.isEmpty ? [[]] : arguments
    var file = file
    var scriptPath = name
    var depth = 0
    while let line = ScriptLine(try file.read(self, offset: 0, count: ScriptLine.bytesMax)) {
      depth += 1
      if depth > Self.interpretersMax { throw .ELOOP }
      arguments.replaceSubrange(0..<1, with: [line.interpreter] + (line.argument.map { [$0] } ?? []) + [scriptPath])
      scriptPath = line.interpreter
      file = try openInterpreter(line.interpreter, fs, credentials)
    }
    let image = try parseProgram(file)
    var interpreter: (file: ProgramFile, image: ElfImage)?
    if let place = image.interpreter { interpreter = try openInterpreter(file, place, fs, credentials) }
    let stack = InitialStack(
      arguments: arguments, environment: environment, executableName: name, randomBytes: drawRandomBytes(16))
    try stack.checkSize(stackLimit: limits[ResourceLimits.stack].current)

    let loader = ProgramLoader(kernel: self, limits: limits, memory: try newSpace())
    do throws(Errno) {
      let registers = try loader.load(file, image, interpreter, stack, credentials)
      return LoadedProgram(
        memory: loader.memory, registers: registers, path: file.path, name: Self.commandName(name), arguments: arguments)
    } catch {
      loader.memory.release(self)
      throw error
    }
  }

  private func newSpace() throws(Errno) -> MemoryManager {
    let id = identifiers.nextSpace()
    try effect { machine throws(MachineError) in try machine.createAddressSpace(id) }
    return MemoryManager(space: id, machine: machine)
  }

  /// Random bytes for the guest, noted.
  func drawRandomBytes(_ count: Int) -> [UInt8] {
    let bytes = decisions.randomBytes(count)
    observer.note(.randomBytes(bytes))
    return bytes
  }

  /// comm: the last component of the path, at most 15 bytes (TASK_COMM_LEN).
  static func commandName(_ path: [UInt8]) -> String {
    let start = path.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
    return String(decoding: path[start...].prefix(15), as: UTF8.self)
  }

  private func parseProgram(_ file: ProgramFile) throws(Errno) -> ElfImage {
    switch try parseElf(file) {
    case .success(let image): return image
    case .failure(let error):
      executableProblem = error.problem
      throw .ENOEXEC
    }
  }

  private func parseElf(_ file: ProgramFile) throws(Errno) -> Result<ElfImage, ExecutableProblemError> {
    try ElfImage.parse { offset, count throws(Errno) in try file.read(self, offset: Int64(offset), count: count) }
  }

  /// A script's interpreter or a dynamic linker. What `openProgram` throws, which then is not about the program itself.
  private func openInterpreter(_ path: [UInt8], _ fs: FSContext, _ credentials: Credentials) throws(Errno) -> ProgramFile {
    do throws(Errno) { return try openProgram(path, fs: fs, credentials: credentials) } catch {
      executableProblem = .interpreter(String(decoding: path, as: UTF8.self))
      throw error
    }
  }

  /// The program's dynamic linker. A path that is not terminated, or a file that is no program of this kind: refused.
  private func openInterpreter(
    _ file: ProgramFile, _ place: (offset: UInt64, size: UInt64), _ fs: FSContext, _ credentials: Credentials
  ) throws(Errno) -> (file: ProgramFile, image: ElfImage) {
    let bytes = try file.read(self, offset: Int64(place.offset), count: Int(place.size))
    if bytes.count < Int(place.size) || bytes.last != 0 {
      executableProblem = .malformed("no terminated interpreter's name")
      throw .ENOEXEC
    }
    let path = Array(bytes.prefix { $0 != 0 })
    let interpreter = try openInterpreter(path, fs, credentials)
    guard case .success(let image) = try parseElf(interpreter) else { throw .ELIBBAD }
    return (interpreter, image)
  }

  /// The vdso's object, one for the whole run.
  func vdso() throws(Errno) -> MemoryObjectReference {
    if let vdsoObject { return vdsoObject }
    let image = configuration.machineAnswers ? VdsoImage.readingClock : VdsoImage.calling
    let object = try objectOfOurs(image)
    vdsoObject = object
    return object
  }

  /// The object of its data, likewise; nil where its code has none.
  func vvar() throws(Errno) -> MemoryObjectReference? {
    if vvarObject == nil && configuration.machineAnswers { vvarObject = try objectOfOurs(vvarContent) }
    return vvarObject
  }

  private func objectOfOurs(_ content: [UInt8]) throws(Errno) -> MemoryObjectReference {
    let id = identifiers.nextObject()
    try effect { machine throws(MachineError) in try machine.createObject(id, content: content) }
    return MemoryObjectReference(id: id, path: [], placementKey: 0)
  }

  /// A page that begins with what the realtime clock is ahead of the monotonic one, in nanoseconds.
  private var vvarContent: [UInt8] {
    var page = [UInt8](repeating: 0, count: Int(GuestAddress.pageSize))
    page.setInteger(clock.realtimeOffset.rawValue, at: 0)
    return page
  }

  /// Somebody set the realtime clock.
  func updateVvar() throws(Errno) {
    guard let id = vvarObject?.id else { return }
    let content = vvarContent
    try effect { machine throws(MachineError) in try machine.writeObject(id, offset: 0, content[..<8]) }
  }
}

/// Puts one program into one new address space.
private final class ProgramLoader {
  let kernel: Kernel
  let limits: ResourceLimits
  let memory: MemoryManager
  /// Bytes to clear behind the file's part of a last page; done together when everything is mapped.
  private var toClear: [GuestRange] = []

  init(kernel: Kernel, limits: ResourceLimits, memory: MemoryManager) {
    self.kernel = kernel
    self.limits = limits
    self.memory = memory
  }

  func load(
    _ file: ProgramFile, _ image: ElfImage, _ interpreter: (file: ProgramFile, image: ElfImage)?, _ stack: InitialStack,
    _ credentials: Credentials
  ) throws(Errno) -> Registers {
    let bias = try map(file, image)
    var entry = image.entry &+ bias
    var interpreterBase: UInt64 = 0
    setProgramRanges(image, bias)
    if let interpreter {
      interpreterBase = try map(interpreter.file, interpreter.image)
      entry = interpreter.image.entry &+ interpreterBase
    }
    let vdso = try mapVdso()
    try mapStack(executable: image.executableStack)
    memory.heapStart =
      image.isPositionIndependent ? AddressLayout.heapOfPositionIndependent : GuestAddress(image.span.upperBound)
    memory.heapEnd = memory.heapStart

    for range in toClear {
      try store([UInt8](repeating: 0, count: Int(range.length)), at: range.start)
    }
    let laid = stack.lay(
      below: AddressLayout.stackEnd,
      entries: auxiliaryEntries(image, bias: bias, interpreterBase: interpreterBase, vdso: vdso, credentials))
    try store(laid.bytes, at: laid.stackPointer)
    memory.auxiliaryVector = laid.auxiliaryVector
    memory.argumentStrings = laid.argumentStrings
    memory.environmentStrings = laid.environmentStrings
    memory.initialStackPointer = laid.stackPointer
    var registers = Registers()
    registers.rip = entry
    registers.rsp = laid.stackPointer.rawValue
    return registers
  }

  private func store(_ bytes: [UInt8], at address: GuestAddress) throws(Errno) {
    do throws(Errno) { try memory.copyOut(address, bytes) } catch {
      // The only way here: the file is shorter than a segment says.
      kernel.executableProblem = .malformed("a segment beyond the file")
      throw .ENOEXEC
    }
  }

  // MARK: Segments

  /// Maps every segment; returns the bias between the file's addresses and the guest's.
  private func map(_ file: ProgramFile, _ image: ElfImage) throws(Errno) -> UInt64 {
    let object = try file.memoryObject(kernel)
    let span = image.span
    var bias: UInt64 = 0
    if image.isPositionIndependent {
      let length = span.upperBound - span.lowerBound
      let area = GuestRange(AddressLayout.mappingsStart, AddressLayout.mappingsEnd)
      guard
        let place = memory.list.preferredPlace(length, key: object.placementKey, alignment: image.alignment)
          ?? memory.list.highestPlace(length, in: area)
      else { throw .ENOMEM }
      bias = place.rawValue &- span.lowerBound
    }
    for segment in image.segments { try map(segment, bias, object) }
    return bias
  }

  private func map(_ segment: ElfSegment, _ bias: UInt64, _ object: MemoryObjectReference) throws(Errno) {
    let start = GuestAddress(segment.address &+ bias)
    let fileEnd = start + segment.fileSize
    let end = GuestAddress(segment.pages.upperBound &+ bias)
    var anonymousStart = start.pageDown
    if segment.fileSize > 0, let fileEndPage = fileEnd.pageUp {
      anonymousStart = fileEndPage
      try mapPart(
        MapRequest(
          placement: .fixed(start.pageDown), length: fileEndPage - start.pageDown, protection: segment.protection,
          object: object, offset: segment.offset & ~4095))
      // Without write permission the rest of the page stays as the file has it, as padzero's failure is ignored there.
      if segment.memorySize > segment.fileSize, fileEnd < fileEndPage, segment.protection.contains(.write) {
        toClear.append(GuestRange(fileEnd, min(fileEndPage, start + segment.memorySize).pageUp!))
      }
    }
    if end > anonymousStart {
      try mapPart(
        MapRequest(placement: .fixed(anonymousStart), length: end - anonymousStart, protection: segment.protection))
    }
    if segment.protection.contains(.write) { memory.programDataBytes += segment.memorySize }
  }

  /// A program's addresses are its own choice: those that no program may have make it one that cannot run.
  private func mapPart(_ request: MapRequest) throws(Errno) {
    do throws(Errno) { _ = try memory.map(kernel, request, limits: limits) } catch {
      if error == .EPERM {
        kernel.executableProblem = .malformed("a segment below the lowest address that can be mapped")
        throw .ENOEXEC
      }
      throw error
    }
  }

  private func setProgramRanges(_ image: ElfImage, _ bias: UInt64) {
    for segment in image.segments {
      let range = GuestRange(
        GuestAddress(segment.address &+ bias), GuestAddress(segment.address &+ bias &+ segment.fileSize))
      if segment.protection.contains(.execute) { memory.programCode = range }
      if segment.protection.contains(.write) { memory.programData = range }
    }
  }

  // MARK: vdso, stack, auxiliary vector

  /// The vdso, and the page that its code reads in front of it, where there is one.
  private func mapVdso() throws(Errno) -> GuestAddress {
    let page = GuestAddress.pageSize
    var placement = Placement.hint(AddressLayout.vdso)
    if let vvar = try kernel.vvar() {
      let place = try memory.map(
        kernel,
        MapRequest(
          placement: .hint(AddressLayout.vdso - page), length: page + page, protection: [.read], object: vvar, label: .vvar), limits: limits)
      // In place of the second one, so that they lie together wherever there was room.
      placement = .fixed(place + page)
    }
    return try memory.map(
      kernel,
      MapRequest(
        placement: placement, length: page, protection: [.read, .execute], object: try kernel.vdso(), label: .vdso), limits: limits)
  }

  private func mapStack(executable: Bool) throws(Errno) {
    let length = AddressLayout.stackBytes(limits[ResourceLimits.stack].current)
    var protection: Protection = [.read, .write]
    if executable { protection.insert(.execute) }
    do throws(Errno) {
      _ = try memory.map(
        kernel,
        MapRequest(
          placement: .fixedIfFree(AddressLayout.stackEnd - length), length: length, protection: protection,
          flags: .growsDown, label: .stack), limits: limits)
    } catch { throw .ENOMEM }
  }

  private func auxiliaryEntries(
    _ image: ElfImage, bias: UInt64, interpreterBase: UInt64, vdso: GuestAddress, _ credentials: Credentials
  ) -> [AuxiliaryEntry] {
    let configuration = kernel.configuration
    let headers = image.headersAddress
    let pairs: [(UInt64, UInt64)] = [
      (AuxiliaryType.vdso, vdso.rawValue),
      (AuxiliaryType.minimumSignalStack, configuration.minimumSignalStackBytes),
      (AuxiliaryType.hardwareCapabilities, configuration.hardwareCapabilitiesShown),
      (AuxiliaryType.pageSize, GuestAddress.pageSize),
      (AuxiliaryType.clockTicks, 100),
      (AuxiliaryType.programHeaders, headers == 0 ? 0 : headers &+ bias),
      (AuxiliaryType.programHeaderSize, UInt64(ElfImage.programHeaderSize)),
      (AuxiliaryType.programHeaderCount, UInt64(image.headersCount)),
      (AuxiliaryType.interpreterBase, interpreterBase),
      (AuxiliaryType.flags, 0),
      (AuxiliaryType.entry, image.entry &+ bias),
      (AuxiliaryType.user, UInt64(credentials.realUser)),
      (AuxiliaryType.effectiveUser, UInt64(credentials.effectiveUser)),
      (AuxiliaryType.group, UInt64(credentials.realGroup)),
      (AuxiliaryType.effectiveGroup, UInt64(credentials.effectiveGroup)),
      (AuxiliaryType.secure, 0),
      (AuxiliaryType.hardwareCapabilities2, configuration.hardwareCapabilities2Shown),
    ]
    return pairs.map { AuxiliaryEntry(type: $0.0, value: $0.1) }
  }
}
