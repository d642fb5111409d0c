// The kernel's annotations and the guest's output, into the same trace in the same order.

import Platform
import Trace

public final class RecordingObserver: Observer {
  private let machine: RecordingMachine
  /// Names that stand in the trace with an object.
  private var embedded: Set<String> = []

  /// Shares the machine's writer and its failure.
  public init(_ machine: RecordingMachine) { self.machine = machine }

  public func note(_ annotation: Annotation) {
    machine.noteLater { (writer) throws(TraceError) in try writer.annotation(annotation) }
  }

  /// The record lies in the journal, and all before it there or in the trace, when this returns, before any byte leaves for the host: a recorder that is killed
  /// lost nothing that was seen.
  public func output(_ stream: OutputStream, space: AddressSpaceID, pieces: [GuestRange], bytes: ArraySlice<UInt8>) {
    machine.noteLater { (writer) throws(TraceError) in
      try writer.settle()
      try writer.output(stream, space: space, pieces: pieces, bytes: bytes)
    }
  }

  public func output(_ stream: OutputStream, bytes: ArraySlice<UInt8>) {
    machine.noteLater { (writer) throws(TraceError) in
      try writer.settle()
      try writer.output(stream, bytes: bytes)
    }
  }

  public func fileEmbedded(path: String, object: MemoryObjectID?, size: UInt64) {
    if object == nil && embedded.contains(path) { return }
    embedded.insert(path)
    machine.noteLater { (writer) throws(TraceError) in
      try writer.fileEmbedded(path: path, object: object, size: size)
    }
  }
}
