// Where translated code and what it works with lie in a guest's address space: all at the top, above what a guest can
// map. Translated code reaches its slots relative to rip, which the processor renames; the mirror through gs.
//
//   0x7ff0_0000_0000  the arena: the dispatch blob, then translated code. One shared memory for all guests of a sandbox
//   0x7ff0_7fff_0000  the slots: one page, shared likewise (one guest runs at a time), behind them the tables of watches and of CPUID's answers
//   0x7ff0_8000_0000  the hash table of targets above the mirror's window, one for each space that has some
//   0x7ff0_9000_0000  the list of entries that a space is to store in its mirror; shared like the slots
//   0x7ff1_0000_0000  the log of accesses, with nothing mapped behind it; shared like the slots
//   0x7ffa_ffc0_0000  the countdown: 4 MiB of nothing to read, with nothing mapped below; see `Emitter.countTick`
//   0x7ffb_0000_0000  the mirror: for each byte of guest code below 2 GiB the address of its translation, or 0
//   0x7fff_0000_0000  nothing: where indirect jumps to addresses a little above the window would look

public enum RuntimeLayout {
  public static let arena: UInt64 = 0x7ff0_0000_0000
  /// Bytes of the arena.
  public static let arenaSize = 0x7fff_0000
  public static let slots: UInt64 = arena + UInt64(arenaSize)
  /// Bytes of slots and watches.
  public static let slotsSize = 64 << 10
  /// Where the table of watches begins among the slots, in bytes, and its entries: one word for each scheduling point, as
  /// far as there are.
  public static let watchesOffset = 4096
  public static let watches = (answersOffset - watchesOffset) / 8
  /// Where the table of CPUID's answers begins among the slots, in bytes, to their end; see dispatch.S.
  public static let answersOffset = slotsSize - 4096
  public static let answersMax = 4096 / 32
  public static let hashTable: UInt64 = 0x7ff0_8000_0000
  /// Entries of 16 bytes: target, its counted entry.
  public static let hashEntries = 1 << 16
  public static let publications: UInt64 = 0x7ff0_9000_0000
  /// Entries of 8 bytes, which the dispatch blob stores at a time: guest address, place in the arena.
  public static let publicationsMax = 16 << 10
  public static let log: UInt64 = 0x7ff1_0000_0000
  /// Bytes: 64 Ki entries.
  public static let logSize = AccessLog.entrySize << 16
  public static let logEnd: UInt64 = log + UInt64(logSize)
  public static let mirror: UInt64 = 0x7ffb_0000_0000
  /// Guest code below this address has a place in the mirror.
  public static let window: UInt64 = 1 << 31
  /// The largest count of ticks that code counts down. r10 holds `countFault` and the count.
  public static let countMax = 4 << 20
  public static let countdown: UInt64 = mirror - UInt64(countMax)
  /// What the slot `updates` holds when updates pass.
  public static let updatesPass: UInt64 = countdown
  /// What faults when the count is 0.
  public static let countFault: UInt64 = countdown - 1
  /// What a word of the table of watches holds: an address that can be read, or one that faults.
  public static let watchPasses: UInt64 = countdown
  public static let watchFault: UInt64 = countdown - 9
  /// What the slot `clockGate` holds while the guest may read its clock, and while it must ask.
  public static let clockOpen: UInt64 = countdown
  public static let clockClosed: UInt64 = countdown - 17
  /// Room for the dispatch blob at the start of the arena.
  public static let blobSize = 4096
  /// Where in it code goes to call the kernel, with r11 the place to go on at.
  public static let gateOffset = 1024
  /// Where in it CPUID is answered, if it is.
  public static let cpuidOffset = 3072
  /// One past what guests can map when their code is translated.
  public static let guestEnd: UInt64 = arena

  /// The word of the scheduling point with this place. Those that find no room share the last word.
  public static func watch(_ place: Int) -> UInt64 { slots + UInt64(watchesOffset + 8 * min(place, watches - 1)) }

  public static func isInHashTable(_ address: UInt64) -> Bool { address &- hashTable < UInt64(hashEntries * 16) }

  /// Index into the hash table.
  @inlinable public static func hashIndex(_ target: UInt64) -> Int {
    let low = UInt32(truncatingIfNeeded: target)
    return Int((low ^ low >> 12) & 0xffff)
  }
}

/// Byte offsets in the page of slots.
public enum RuntimeSlot: Int, Sendable {
  /// What r10 counts with, while r10 holds the guest's value.
  case ticks = 0
  /// A readable address, or one that is not: then every update stops before it begins.
  case updates = 8
  /// The guest's r11. At every instruction boundary this is its value; the register itself is scratch.
  case r11 = 16
  /// What a split update loaded.
  case loaded = 24
  /// The guest's r10, always.
  case r10 = 32
  /// The dispatch blob's.
  case dispatchA = 40
  case dispatchC = 48
  case dispatchFlags = 56
  /// The address of a byte in the countdown, which scheduling points count down.
  case points = 64
  /// Where the next entry of the log goes.
  case log = 72
  /// The guest's rax while an access is logged.
  case rax = 80
  /// For the dispatch blob: how many entries it is to store, and the address of code where it goes on then. Its own are behind them.
  case publishCount = 88
  case publishResume = 96
  /// The same for stores to the guest's memory.
  case storeCount = 128
  case storeResume = 136
  /// A readable address, or one that is not: then RDTSC stops.
  case clockGate = 144
  /// The clock's nanoseconds are this, 4 times the complement of r10, which counts ticks down, and 8 times the number of readings.
  case clock = 152
  /// How often it was read, and what was read last.
  case clockReadings = 160
  case clockRead = 168
  /// How many answers the table has.
  case answers = 176
  /// The registers of a task that calls the kernel, and what it goes on with: struct rsb_gate of CLinux.
  case gate = 512
  /// The list of those stores, to the end of the page.
  case stores = 1024
}
