// Constants of the file format. README.md is the format's page; a change here that an old trace would notice needs a
// new version and a reader for the old one.

import Platform

public enum TraceFormat {
  /// Version of the format that this code writes.
  public static let version: UInt32 = 3
  /// Versions that this code reads. In a trace of version 1, a block is one frame.
  static let versionsRead: ClosedRange<UInt32> = 1...version
  /// A chained register hash follows every event whose number is a multiple of this.
  public static let registerHashInterval: UInt64 = 64
  /// Most bytes of one memory write, of what the guest wrote to an object, or of an output record.
  public static let contentLimit = 60 << 10
  /// Most bytes of one piece of an embedded file. Large, because small frames compress worse (60 KiB by 3 to 4 percent), but
  /// below 256 KiB, where zstd's parameters for small inputs are the better ones.
  public static let filePieceLimit = FilePieces.bytesMax
  /// Pieces of embedded files of at least this many bytes are frames of their own.
  static let filePieceMinimum = 16 << 10

  /// A block is sealed once it holds this many bytes...
  static let blockTarget = 192 << 10
  /// ... or this many records, or before a record of a file that would go over `blockPayloadLimit`.
  static let blockRecordLimit: UInt32 = 16384
  /// Bytes that make a block before its time worth while.
  static let earlyBlockMin = 32 << 10
  /// Most bytes of a record beside its content.
  static let recordOverhead = 4 << 10
  /// Most bytes of one record, tag included, that is no piece of a file.
  static let recordLimit = contentLimit + recordOverhead
  /// Most bytes of records in one block: 256 KiB.
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
