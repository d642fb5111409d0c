// A thread that unpacks the blocks which come next while the replay works on those before: the program and its libraries, which stand at
// a trace's start, take longer to unpack than a short program runs.
//
// Policy: the thread has a reader of its own and goes through the blocks by number, a few ahead of what was taken. Whoever asks for a
// block that it has not begun unpacks that one itself, and the thread goes on behind it: so two processors share the work where the
// replay waits. A block that cannot be unpacked is nobody's here; who comes to it finds out why.
import CLinux
import HostThreads

/// Sound: what the threads share is in the monitor; the reader is the thread's own from `init` on.
final class BlocksAhead: @unchecked Sendable {
  private struct State {
    /// Unpacked, ascending.
    var ready: [(number: Int, block: Block)] = []
    /// Which the thread begins next, and which it is at.
    var next = 1
    var current: Int?
    var isEnding = false
  }
  private let reader: BlockReader
  private let count: Int
  private let state = Monitor(State())
  private var thread: HostThread?

  /// A few megabytes.
  private static let readyMax = 16

  /// nil when the host refuses a thread. `count`: of blocks, with the first, which holds the header.
  init?(_ reader: BlockReader, count: Int, processors: [UInt64]) {
    self.reader = reader
    self.count = count
    thread = try? HostThread(of: self, processors: processors) { $0.work() }
    if thread == nil { return nil }
  }

  deinit {
    state.change { $0.isEnding = true }
    thread?.join()
  }

  /// The block, when the thread has it or is at it.
  func take(_ number: Int) -> Block? {
    state.wait { (state) -> Block?? in
      if state.current == number { return nil }
      if let index = state.ready.firstIndex(where: { $0.number == number }) {
        let block = state.ready[index].block
        state.ready.removeSubrange(...index)
        return .some(block)
      }
      if number >= state.next {
        state.next = number + 1
        state.ready.removeAll()
      }
      return .some(nil)
    }
  }

  private func work() {
    rsb_thread_settle()
    while let number = nextNumber() {
      let block = try? reader.fileBlock(number)
      state.change { state in
        state.current = nil
        // Unless the replay went past it meanwhile.
        if let block, state.next == number + 1 { state.ready.append((number, block)) }
        if block == nil { state.next = count }
      }
    }
  }

  /// Waits for a block to unpack; nil at the end.
  private func nextNumber() -> Int? {
    state.wait { (state) -> Int?? in
      if state.isEnding { return .some(nil) }
      if state.next >= count || state.ready.count == Self.readyMax { return nil }
      state.current = state.next
      state.next += 1
      return .some(state.current)
    }
  }
}
