// The first byte of every record that is not an event. Numbers are part of the format.

enum RecordTag: UInt8 {
  case header = 1
  case createContext, copyContext, destroyContext, setExtendedState
  case createAddressSpace, forkAddressSpace, destroyAddressSpace
  case mapAnonymous, mapPrivate, mapShared, unmap, protect, remap, discard
  case memoryWrite
  case createObject, destroyObject, resizeObject, objectWrite
  case localEvent, registerHash
  case output, outputBytes
  case fileEmbedded, end
  case clock, processorAnswers
  case taskStarted = 40
  case executed, taskExited, signalDelivered, syscallResumed, scheduled, timeJumped, randomBytes, hostInput
  case unknownSyscall, runEnded
}

/// Limits on text in annotations, in bytes: longer ones are cut when written.
enum TextLimit {
  static let path = 4 << 10
  static let word = 4 << 10
  static let argument = 16 << 10
  static let allArguments = 40 << 10
  static let randomBytes = 256
}
