// Constants of the file format. README.md is the format's page; a change here that an old trace would notice needs a
// new version and a reader for the old one.

public enum TraceFormat {
  /// Version of the format that this code writes.
  public static let version: UInt32 = 1
  /// A chained register hash follows every event whose number is a multiple of this.
  public static let registerHashInterval: UInt64 = 64
  /// Most bytes of one memory write, object write or output record.
  public static let contentLimit = 60 << 10

  /// A block is sealed once it holds this many bytes, so that with one more record it stays within 256 KiB, where
  /// zstd's parameters for small inputs make embedded files 3 percent smaller...
  static let blockTarget = 192 << 10
  /// ... or this many records.
  static let blockRecordLimit: UInt32 = 16384
  /// Most bytes of one record, tag included.
  static let recordLimit = contentLimit + (4 << 10)
  /// Most bytes of records in one block.
  static let blockPayloadLimit = blockTarget + recordLimit
  /// Content of at least this many bytes is written once and referred to afterwards.
  static let sharedContentMinimum = 512

  /// First bytes of the unpacked trace. The version is five decimal digits and ends the line.
  static let magic = "replaysb trace "
  static let preambleLength = 21
  /// First word of every block: "RSB1".
  static let blockMagic: UInt32 = 0x3142_5352
  static let blockHeaderLength = 40
  /// zstd skippable frame number 13, which holds the seek table.
  static let seekFrameMagic: UInt32 = 0x184D_2A5D
  /// Last word of a whole trace file: "RSBS".
  static let seekFooterMagic: UInt32 = 0x5342_5352
}
