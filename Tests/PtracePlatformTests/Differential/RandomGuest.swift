// A random guest: a few dozen instructions and branches, its registers and its memory, all from one seed. Loops end: what leads
// backward first takes from a supply in memory.

struct RandomGuest {
  /// Where things lie.
  enum Place {
    static let low: UInt64 = 0x40_0000, high: UInt64 = 0x5555_5554_0000
    static let codePages: UInt64 = 8
    static let lowData: UInt64 = 0x50_0000, highData: UInt64 = 0x5555_5600_0000
    static let dataPages: UInt64 = 2
    /// The supply of loops, and the addresses of labels.
    static let control: UInt64 = 0x51_0000
    static let labels: UInt64 = control + 0x100
    static let stack: UInt64 = 0x60_0000
  }

  let seed: UInt64
  /// What the code lies in: memory of its own, a file that is mapped without write permission, a shared one with it.
  enum Home { case memory, file, shared }
  private(set) var home = Home.memory
  /// Go on in a fork after so many slices (before the first turn where there are no slices).
  private(set) var forksAfterSlices: Int?
  private(set) var region: UInt64 = 0
  private(set) var entry: UInt64 = 0
  private(set) var code: [UInt8] = []
  /// Offset of `code` in its region.
  var offset: Int { Int(entry - region) }
  private(set) var general = [UInt64](repeating: 0, count: 16)
  private(set) var flags: UInt64 = 0x202
  private(set) var control: [UInt8] = []
  private(set) var data: [UInt8] = []
  var segmentBase: UInt64 { dataStart }

  private var dice: Dice
  private var assembler = GuestAssembler(0)
  private var dataStart: UInt64 = Place.lowData
  private var itemAddresses: [UInt64] = []
  /// Displacements to be filled in: where, and the item.
  private var branches: [(offset: Int, item: Int)] = []
  private var exits: [Int] = []
  /// Immediate operands that other instructions may store over.
  private var immediates: [UInt64] = []
  private var itemCount = 0

  init(seed: UInt64) {
    self.seed = seed
    dice = Dice(seed)
    home = dice.chance(1, in: 6) ? .file : dice.chance(1, in: 20) ? .shared : .memory
    forksAfterSlices = dice.chance(1, in: 10) ? dice.below(4) : nil
    let isHigh = dice.chance(1, in: 3)
    region = isHigh ? Place.high : Place.low
    dataStart = isHigh ? Place.highData : Place.lowData
    let around: UInt64 = dice.pick([0, 4096, 16384])
    let before = UInt64(dice.below(160))
    entry = region + (around == 0 ? UInt64(400 + dice.below(20_000)) : around - before)
    for index in general.indices { general[index] = dice.value() }
    general[4] = Place.stack + 0x800
    flags |= dice.next() & 0x8d5
    data = (0..<Int(Place.dataPages) * 512).flatMap { _ in littleEndian(dice.value()) }
    build()
  }

  private mutating func build() {
    assembler = GuestAssembler(entry)
    itemCount = 6 + dice.below(30)
    for item in 0..<itemCount {
      itemAddresses.append(assembler.here)
      write(item)
    }
    let exit = assembler.here
    assembler.raw([0xcc])
    itemAddresses.append(exit)
    for branch in branches { link(branch.offset, to: itemAddresses[min(branch.item, itemCount)]) }
    for offset in exits { link(offset, to: exit) }
    code = assembler.bytes
    control = littleEndian(UInt64(1 + dice.below(6))) + [UInt8](repeating: 0, count: 0xf8)
    for address in itemAddresses { control += littleEndian(address) }
    control += [UInt8](repeating: 0, count: Int(page) - control.count)
  }

  private mutating func link(_ offset: Int, to target: UInt64) {
    assembler.patch32(Int32(Int64(target) - Int64(entry) - Int64(offset) - 4), at: offset)
  }

  // MARK: Items

  private mutating func write(_ item: Int) {
    switch dice.below(40) {
    case 0..<20: form()
    case 20..<24: single()
    case 24: string()
    case 25..<29: conditional(item)
    case 29: short()
    case 30: loop(item)
    case 31..<33: jumpOrCall(item)
    case 33..<36: indirect(item)
    case 36: returning(item)
    case 37: selfModifying()
    case 38: flagsAndStack()
    default: rare()
    }
  }

  private mutating func immediate(_ size: Int) -> [UInt8] { Array(littleEndian(dice.value()).prefix(size)) }

  private mutating func form() {
    let form = dice.pick(InstructionForm.all)
    var encoding = Encoding(map: form.map, opcode: form.opcode)
    encoding.forcesREX = dice.chance(1, in: 6)
    var size = 4
    switch form.size {
    case .byte: size = 1
    case .any:
      switch dice.below(6) {
      case 0:
        encoding.prefixes.append(0x66)
        size = 2
      case 1..<4:
        encoding.wide = true
        size = 8
      default: break
      }
    case .word32: encoding.wide = dice.chance(1, in: 2)
    case .vector: if case .general = form.operand { encoding.wide = dice.chance(1, in: 2) }
    }
    if case .general = form.register, form.size == .vector { encoding.wide = dice.chance(1, in: 2) }
    let immediateSize = form.immediate < 0 ? min(size, 4) : form.immediate
    encoding.immediate = immediate(immediateSize)
    if form.vex {
      let second: Int
      switch form.second {
      case .digit: second = 0
      default: second = register()
      }
      let pp: UInt8 = form.prefix == 0x66 ? 1 : form.prefix == 0xf3 ? 2 : form.prefix == 0xf2 ? 3 : 0
      encoding.vex = Encoding.Vex(pp: pp, second: second, long: dice.pick(form.lengths))
    } else if form.prefix != 0 {
      encoding.prefixes.append(form.prefix)
    }
    let number: Int
    switch form.register {
    case .digit(let digit): number = digit
    default: number = register()
    }
    if form.inRegister && (!form.memory || dice.chance(2, in: 5)) {
      if dice.chance(1, in: 6) { encoding.extraX = true }
      assembler.emit(encoding, number, .register(operandRegister()))
      return
    }
    if form.lockable && dice.chance(1, in: 5) { encoding.prefixes.insert(0xf0, at: 0) }
    let memory = memoryForm(address(aligned: form.aligned), &encoding)
    assembler.emit(encoding, number, .memory(memory))
    if memory.base == 4 { restoreStack() }
  }

  private mutating func restoreStack() {
    switch dice.below(12) {
    case 0, 1: break
    case 2 where home != .file: assembler.set(4, besideCode())
    case 3: assembler.set(4, Place.stack + page - UInt64(dice.below(16)))
    default: assembler.set(4, Place.stack + 0x400 + UInt64(dice.below(128) * 8))
    }
  }

  /// In the page of the code, or the one before it.
  private mutating func besideCode() -> UInt64 { entry - 60 - UInt64(dice.below(300)) }

  /// r10 and r11 more often than others.
  private mutating func register() -> Int {
    if dice.chance(1, in: 3) { return 10 + dice.below(2) }
    return dice.below(16)
  }

  /// What an instruction may write: the stack pointer less often.
  private mutating func operandRegister() -> Int {
    let number = register()
    return number == 4 && dice.chance(9, in: 10) ? 11 : number
  }

  private mutating func address(aligned: Bool) -> UInt64 {
    let size = Int(Place.dataPages * 4096)
    if home != .file && dice.chance(1, in: 15) { return besideCode() }
    if aligned && dice.chance(9, in: 10) { return dataStart + UInt64(dice.below(size / 16) * 16) }
    if dice.chance(1, in: 25) { return dataStart + UInt64(size) - UInt64(dice.below(16)) }
    if dice.chance(1, in: 6) { return dataStart + 4096 - UInt64(dice.below(16)) }
    return dataStart + UInt64(dice.below(size - 32))
  }

  /// A form that leads to `address`, its registers set before it.
  private mutating func memoryForm(_ address: UInt64, _ encoding: inout Encoding, canSet: Bool = true) -> MemoryForm {
    var address = address
    var form = MemoryForm()
    if dice.chance(1, in: 10) {
      encoding.prefixes.append(dice.chance(3, in: 4) ? 0x64 : 0x65)
      address &-= segmentBase
    }
    let isLow = address < 1 << 31
    let kind = dice.below(10)
    if kind < 3 && encoding.prefixes.allSatisfy({ $0 != 0x64 && $0 != 0x65 }) {
      form.target = address
      encoding.extraX = dice.chance(1, in: 4)
      if isLow && dice.chance(1, in: 8) { encoding.prefixes.append(0x67) }
      return form
    }
    if kind == 3 && isLow {
      form.displacement = Int32(address)
      return form
    }
    form.short = dice.chance(1, in: 2)
    form.displacement = form.short ? Int32(Int8(truncatingIfNeeded: dice.next())) : Int32(truncatingIfNeeded: dice.next() & 0xffff) - 0x8000
    if form.short && dice.chance(1, in: 3) { form.displacement = 0 }
    if dice.chance(1, in: 2) {
      let index = dice.chance(1, in: 2) ? 10 + dice.below(2) : dice.below(16)
      if index != 4 { form.index = index }
    }
    var base = dice.chance(1, in: 2) ? 10 + dice.below(2) : dice.below(16)
    if base == form.index { base = base == 3 ? 6 : 3 }
    form.scale = form.index == nil ? 0 : dice.below(4)
    if isLow && form.index != nil && dice.chance(1, in: 8) {
      form.short = false
    } else {
      form.base = base
    }
    let addressSize = isLow && dice.chance(1, in: 8)
    if addressSize { encoding.prefixes.append(0x67) }
    if dice.chance(1, in: 40) { return form }
    var rest = address &- UInt64(bitPattern: Int64(form.displacement))
    let noise = addressSize ? dice.next() << 32 : 0
    if let index = form.index {
      if form.base != nil {
        let value = UInt64(bitPattern: Int64(Int16(truncatingIfNeeded: dice.next())))
        assembler.set(index, value &+ noise)
        rest &-= value << UInt64(form.scale)
      } else {
        // The displacement takes what the scale cannot.
        assembler.set(index, rest >> UInt64(form.scale) &+ noise)
      }
    }
    if let base = form.base { assembler.set(base, rest &+ (addressSize ? dice.next() << 32 : 0)) }
    return form
  }

  // MARK: Instructions without a ModRM byte

  private mutating func single() {
    let low = UInt8(dice.below(8)), high = dice.chance(1, in: 2)
    let isStack = low == 4 && !high
    switch dice.below(12) {
    case 0: assembler.raw((high ? [0x41] : []) + [0x50 | low])
    case 1: assembler.raw((high ? [0x41] : []) + [0x58 | (isStack ? 3 : low)])
    case 2: assembler.raw(dice.chance(1, in: 2) ? [0x6a] + immediate(1) : [0x68] + immediate(4))
    case 3: assembler.raw([0x48 | (high ? 1 : 0), 0x90 | (isStack ? 3 : low)])
    case 4: assembler.raw([(dice.chance(1, in: 2) ? 0x48 : 0x40) | (high ? 1 : 0), 0x0f, 0xc8 | (isStack ? 3 : low)])
    case 5:
      assembler.raw([0x40 | (high ? 1 : 0), 0xb8 | (isStack ? 3 : low)])
      immediates.append(assembler.here)
      assembler.raw(immediate(4))
    case 6: assembler.raw([0x40 | (high ? 1 : 0), 0xb0 | (isStack ? 3 : low)] + immediate(1))
    case 7: assembler.raw([0x48, dice.pick([0xa0, 0xa1, 0xa2, 0xa3])] + littleEndian(address(aligned: false)))
    case 8: assembler.raw(dice.pick([[0x98], [0x48, 0x98], [0x99], [0x48, 0x99], [0xf5], [0xf8], [0xf9], [0x9b], [0x90], [0xf3, 0x90]]))
    case 9: assembler.raw(dice.pick([[0x9f], [0x9e]]))
    case 10: assembler.raw([0x49, 0xbb] + littleEndian(dice.value()))
    default: assembler.raw(dice.pick([[0x41, 0x53], [0x41, 0x5b], [0x66, 0x41, 0x53], [0x66, 0x41, 0x5b], [0xf3, 0x0f, 0x1e, 0xfa]]))
    }
  }

  private mutating func flagsAndStack() {
    switch dice.below(5) {
    case 0: assembler.raw([0x9c])
    case 1: assembler.raw([0x68] + littleEndian(UInt32(truncatingIfNeeded: dice.next() & 0xcd5)) + [0x9d])
    case 2: assembler.raw([0x66, 0x9c] + (dice.chance(1, in: 2) ? [0x66, 0x9d] : []))
    case 3: assembler.raw([0xc8] + littleEndian(UInt16(dice.below(64))) + [UInt8(dice.below(3))])
    default: assembler.raw([0x55, 0x48, 0x89, 0xe5, 0xc9])
    }
  }

  /// Not over its own code: how far processors look ahead is their own affair.
  private mutating func string() {
    if dice.chance(1, in: 4) { assembler.raw([0xfd]) }
    assembler.set(6, dataStart + UInt64(1024 + dice.below(5000)))
    assembler.set(7, home != .file && dice.chance(1, in: 8) ? besideCode() - 330 : dataStart + UInt64(1024 + dice.below(5000)))
    assembler.set(1, UInt64(dice.below(40)))
    let opcode: UInt8 = dice.pick([0xa4, 0xa6, 0xaa, 0xac, 0xae])
    let prefix: [UInt8] = dice.pick([[], [0xf3], [0xf2], [0xf3]])
    assembler.raw(prefix)
    switch dice.below(4) {
    case 0: assembler.raw([opcode])
    case 1: assembler.raw([0x48, opcode + 1])
    case 2: assembler.raw([opcode + 1])
    default: assembler.raw([0x40, opcode])
    }
    assembler.raw([0xfc])
  }

  private mutating func rare() {
    switch dice.below(14) {
    case 0: assembler.raw([0x0f, 0x0b])
    case 1: assembler.raw([0xf4])
    // Not int1: hypervisors differ in where it leaves rip.
    case 2: assembler.raw(dice.pick([[0xcd, 0x03], [0xcd, 0x21], [0xcc]]))
    case 3: assembler.raw([0x0f, 0x31])
    case 4: assembler.raw([0x68] + littleEndian(UInt32(truncatingIfNeeded: dice.next() & 0xcd5 | 0x100)) + [0x9d])
    default: assembler.raw([0x0f, 0x05])
    }
  }

  // MARK: Branches

  /// Goes to the exit when the supply is used up. Keeps the flags in one of its forms; spoils rcx.
  private mutating func fuel() {
    if dice.chance(1, in: 3) {
      assembler.raw([0x48, 0xff, 0x0c, 0x25] + littleEndian(UInt32(Place.control)) + [0x0f, 0x84, 0, 0, 0, 0])
      exits.append(assembler.bytes.count - 4)
      return
    }
    assembler.raw([0x48, 0x8b, 0x0c, 0x25] + littleEndian(UInt32(Place.control)))
    assembler.raw([0x48, 0x8d, 0x49, 0xff])
    assembler.raw([0x48, 0x89, 0x0c, 0x25] + littleEndian(UInt32(Place.control)))
    assembler.raw([0xe3, 0x02, 0xeb, 0x05, 0xe9, 0, 0, 0, 0])
    exits.append(assembler.bytes.count - 4)
  }

  private mutating func target(_ item: Int) -> Int {
    if item > 0 && dice.chance(1, in: 3) { return dice.below(item + 1) }
    return item + 1 + dice.below(itemCount - item)
  }

  private mutating func near(_ opcode: [UInt8], _ item: Int) {
    assembler.raw(opcode + [0, 0, 0, 0])
    branches.append((assembler.bytes.count - 4, item))
  }

  private mutating func conditional(_ item: Int) {
    let to = target(item)
    if to <= item { fuel() }
    near([0x0f, 0x80 | UInt8(dice.below(16))], to)
  }

  /// A short branch over one instruction.
  private mutating func short() {
    let opcode: [UInt8] = dice.pick([[0xeb], [0x70 | UInt8(dice.below(16))], [0xe3], [0x67, 0xe3], [0xe2], [0xe1], [0xe0], [0x67, 0xe2]])
    assembler.raw(opcode + [0])
    let start = assembler.bytes.count
    single()
    let size = assembler.bytes.count - start
    assembler.patch8(UInt8(size), at: start - 1)
  }

  private mutating func loop(_ item: Int) {
    let start = assembler.bytes.count
    form()
    if dice.chance(1, in: 2) { single() }
    fuel()
    let distance = assembler.bytes.count - start + 2
    if distance > 120 { return }
    assembler.raw([dice.pick([0xe2, 0xe2, 0xe1, 0xe0, 0xe3, 0x75, 0x72, 0xeb]), UInt8(truncatingIfNeeded: -distance)])
  }

  private mutating func jumpOrCall(_ item: Int) {
    let to = target(item)
    if to <= item { fuel() }
    near([dice.pick([0xe9, 0xe8, 0xe8])], to)
  }

  private mutating func returning(_ item: Int) {
    fuel()
    if dice.chance(3, in: 4) {
      // The address comes relative to rip.
      let to = target(item)
      near(dice.chance(1, in: 2) ? [0x4c, 0x8d, 0x1d] : [0x48, 0x8d, 0x05], to)
      assembler.raw(assembler.bytes[assembler.bytes.count - 7] == 0x4c ? [0x41, 0x53] : [0x50])
    }
    assembler.raw(dice.pick([[0xc3], [0xc3], [0xf3, 0xc3], [0xc2] + littleEndian(UInt16(dice.below(9) * 8))]))
  }

  private mutating func indirect(_ item: Int) {
    let to = target(item)
    fuel()
    let digit = dice.chance(1, in: 2) ? 4 : 2
    var encoding = Encoding(opcode: 0xff)
    encoding.wide = dice.chance(1, in: 3)
    if dice.chance(1, in: 2) {
      let number = operandRegister()
      if number == 4 { return }
      let lea: [UInt8] = [0x48 | (number > 7 ? 4 : 0), 0x8d, UInt8(number & 7) << 3 | 5]
      near(lea, to)
      assembler.emit(encoding, digit, .register(number))
      return
    }
    let memory = memoryForm(Place.labels + UInt64(to * 8), &encoding)
    // What it would cost the stack.
    if memory.base == 4 || memory.target != nil && region == Place.high { return }
    assembler.emit(encoding, digit, .memory(memory))
  }

  /// Stores over an immediate operand of some instruction, most often a later one.
  private mutating func selfModifying() {
    if dice.chance(1, in: 2) {
      // The very next instruction.
      // movl $immediate, rip + 1, which has 10 bytes, and movl $immediate, %eax.
      var form = MemoryForm()
      form.target = assembler.here + 10 + 1
      assembler.emit(Encoding(opcode: 0xc7, immediate: immediate(4)), 0, .memory(form))
      assembler.raw([0xb8])
      assembler.raw(immediate(4))
      return
    }
    guard !immediates.isEmpty else { return }
    let target = dice.pick(immediates)
    let number = dice.pick([3, 11, 6])
    assembler.set(number, target)
    var encoding = Encoding(opcode: 0xc7, immediate: immediate(4))
    if dice.chance(1, in: 3) { encoding = Encoding(opcode: 0xfe) }
    if dice.chance(1, in: 4) { encoding = Encoding(opcode: 0xff) }
    var form = MemoryForm()
    form.base = number
    form.short = true
    assembler.emit(encoding, 0, .memory(form))
  }
}
