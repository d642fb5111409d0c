// One execution: everything that a reader does with bytes. It may refuse them; it must not crash, hang or eat memory.
import Trace

/// What a reader made of some bytes.
struct Outcome: Hashable {
  var records: [Record] = []
  var error: TraceError?
  var isTruncated = false
}

/// Reads to the end, keeping the records when asked to.
func readEverything(_ bytes: [UInt8], keeping: Bool, journal: [UInt8]? = nil) -> Outcome {
  var outcome = Outcome()
  do throws(TraceError) {
    let reader = try TraceReader(bytes: bytes, journal: journal)
    while let record = try reader.next() { if keeping { outcome.records.append(record) } }
    outcome.isTruncated = reader.isTruncated
  } catch { outcome.error = error }
  return outcome
}

/// A fuzzer's execution: read all, then seek to some event and read on a little; now and then print a record.
func execute(_ bytes: [UInt8], number: UInt64, _ decompressor: FrameDecompressor) {
  do throws(TraceError) {
    let reader = try TraceReader(bytes: bytes, decompressor: decompressor)
    var count: UInt64 = 0
    do throws(TraceError) {
      while let record = try reader.next() {
        count += 1
        if (count &+ number) % 61 == 0 { precondition(!record.description.isEmpty) }
      }
    } catch { precondition(!error.description.isEmpty) }
    if number % 4 == 0 {
      try reader.seek(toEvent: EventNumber(number % (reader.lastEvent.rawValue &+ 2)))
      for _ in 0..<8 where try reader.next() == nil { break }
    }
  } catch { precondition(!error.message.isEmpty) }
}
