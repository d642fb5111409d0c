// Names, lines and stacks in one address space, from the ELF images that are loaded there.
//
// Unsafe because libdw is C: `CDebugInfo` copies what it finds into buffers of ours, whose sizes it is given, and calls back for
// memory with a pointer to a `Reader` that lives on our stack during that one call. Nothing of libdw's outlives a call but
// the session itself, which `deinit` frees.

import CDebugInfo

/// A function that an address lies in, and the line there.
public struct SourcePlace: Hashable, Sendable {
  /// As the program's language has it; nil when unknown.
  public var function: String?
  /// As the compiler wrote it; nil without line information.
  public var file: String?
  /// From 1; nil when unknown.
  public var line: Int?
  public var column: Int?
  /// Of optimised code: another line of the same file whose statement begins at this very instruction.
  public var alsoLine: Int?
  /// Its code is a part of the function that follows.
  public var isInlined: Bool
}

/// A symbol and a place within it.
public struct SymbolPlace: Hashable, Sendable {
  public var name: String
  public var offset: UInt64
  /// Bytes; 0 when unknown.
  public var size: UInt64
  public var isFunction: Bool
}

/// The part of a global variable that some bytes are in.
public struct MemberPlace: Hashable, Sendable {
  public enum Kind: Hashable, Sendable {
    /// `opaque`: a lock or the like of a library, whose inside nobody needs to know.
    case unknown, signed, unsigned, bool, character, float, pointer, enumeration, opaque
  }
  /// From the variable's name on: ".items[3].count"; empty for the variable itself.
  public var path: String
  public var kind: Kind
  /// Bytes of what the path names; 0 when unknown.
  public var size: UInt64
  /// Of the bytes, from the start of that.
  public var offset: UInt64
}

/// A frame of a stack.
public struct StackFrame: Hashable, Sendable {
  public var pc: UInt64
  /// The pc is that of the next instruction; otherwise it stands behind a call.
  public var isActivation: Bool
  /// An address within the instruction that the frame is at.
  public var instruction: UInt64 { isActivation || pc == 0 ? pc : pc - 1 }
}

/// The images of one address space. Add them all, then ask.
public final class DebugImages {
  private let debug: OpaquePointer
  private var isReady = false

  private static let placesMax = 32
  public static let framesMax = 64

  /// nil when there is no memory.
  public init?() {
    guard let debug = rsb_debug_new() else { return nil }
    self.debug = debug
  }

  deinit { rsb_debug_free(debug) }

  /// Adds an image; false when libdw cannot use it.
  @discardableResult
  public func add(_ file: ElfFile, name: String, bias: UInt64) -> Bool {
    precondition(!isReady, "images are added before the first question")
    return file.bytes.withUnsafeBufferPointer { rsb_debug_add(debug, name, $0.baseAddress, $0.count, bias) }
  }

  private func settle() {
    if !isReady { isReady = rsb_debug_ready(debug) }
  }

  /// The functions at an address, the innermost first; empty outside of all images.
  public func places(at address: UInt64) -> [SourcePlace] {
    settle()
    return withUnsafeTemporaryAllocation(of: rsb_debug_place.self, capacity: Self.placesMax) { buffer in
      let count = rsb_debug_places(debug, address, buffer.baseAddress, buffer.count)
      return (0..<count).map { index in
        let place = buffer[index]
        return SourcePlace(
          function: Self.text(place.function), file: Self.text(place.file), line: place.line > 0 ? Int(place.line) : nil,
          column: place.column > 0 ? Int(place.column) : nil, alsoLine: place.also_line > 0 ? Int(place.also_line) : nil, isInlined: place.is_inlined)
      }
    }
  }

  /// The symbol that holds an address; nil when none does.
  public func symbol(at address: UInt64) -> SymbolPlace? {
    settle()
    return withUnsafeTemporaryAllocation(of: rsb_debug_symbol.self, capacity: 1) { buffer in
      guard rsb_debug_symbol_at(debug, address, buffer.baseAddress) else { return nil }
      guard let name = Self.text(buffer[0].name) else { return nil }
      return SymbolPlace(name: name, offset: buffer[0].offset, size: buffer[0].size, isFunction: buffer[0].is_function)
    }
  }

  /// Where bytes lie within a global variable, by its type; nil when the debug information has none there.
  public func member(at address: UInt64, size: Int) -> MemberPlace? {
    settle()
    return withUnsafeTemporaryAllocation(of: rsb_debug_member.self, capacity: 1) { buffer in
      guard rsb_debug_member_at(debug, address, UInt64(max(0, size)), buffer.baseAddress) else { return nil }
      let kind: MemberPlace.Kind =
        switch Int(buffer[0].kind) {
        case RSB_DEBUG_SIGNED: .signed
        case RSB_DEBUG_UNSIGNED: .unsigned
        case RSB_DEBUG_BOOL: .bool
        case RSB_DEBUG_CHARACTER: .character
        case RSB_DEBUG_FLOAT: .float
        case RSB_DEBUG_POINTER: .pointer
        case RSB_DEBUG_ENUMERATION: .enumeration
        case RSB_DEBUG_OPAQUE: .opaque
        default: .unknown
        }
      return MemberPlace(path: Self.text(buffer[0].path) ?? "", kind: kind, size: buffer[0].size, offset: buffer[0].offset)
    }
  }

  /// The name of a value of the enumeration at an address; nil when it has none.
  public func enumerator(at address: UInt64, size: Int, value: Int64) -> String? {
    settle()
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(RSB_DEBUG_TEXT_MAX)) { buffer in
      guard rsb_debug_enumerator_at(debug, address, UInt64(max(0, size)), value, buffer.baseAddress) else { return nil }
      return String(cString: buffer.baseAddress!)
    }
  }

  /// Whether the image at an address says anything of source lines.
  public func hasLines(at address: UInt64) -> Bool {
    settle()
    return rsb_debug_has_lines(debug, address)
  }

  /// Registers in the order that DWARF numbers them: rax rdx rcx rbx rsi rdi rbp rsp r8 ... r15 rip.
  public typealias Registers = InlineArray<17, UInt64>

  private struct Reader {
    let read: (UInt64) -> UInt64?
  }

  /// The stack of a task, the innermost frame first; as far as it can be found, and at least that. `read` gives a word of memory.
  public func stack(_ registers: Registers, read: (UInt64) -> UInt64?) -> [StackFrame] {
    settle()
    let words = (0..<17).map { registers[$0] }
    return withoutActuallyEscaping(read) { read in
      var reader = Reader(read: read)
      return withUnsafeTemporaryAllocation(of: rsb_debug_frame.self, capacity: Self.framesMax) { frames in
        let count = withUnsafeMutablePointer(to: &reader) { reader in
          rsb_debug_unwind(
            debug, words,
            { argument, address, word in
              guard let value = argument!.assumingMemoryBound(to: Reader.self).pointee.read(address) else { return false }
              word!.pointee = value
              return true
            }, reader, frames.baseAddress, frames.count)
        }
        return (0..<count).map { StackFrame(pc: frames[$0].pc, isActivation: frames[$0].is_activation) }
      }
    }
  }

  /// A terminated text in a fixed array; nil when it is empty.
  private static func text<T>(_ buffer: T) -> String? {
    withUnsafeBytes(of: buffer) { bytes in
      let text = bytes.prefix { $0 != 0 }
      return text.isEmpty ? nil : String(decoding: text, as: UTF8.self)
    }
  }
}
