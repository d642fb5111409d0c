// The extended (XSAVE) state of a task, and where it is just now.
import CLinux
import Platform

/// Switching between tasks of one stub is left to the blob, on its way back to the guest: it saves the registers into
/// one area of the stub's bank and loads them from another, which costs a tenth of doing it by PTRACE_SETREGSET.
final class ContextState {
  private enum Place {
    /// In `bytes`.
    case home
    /// In the registers of `stub`.
    case live
    /// In its area of the bank of `stub`.
    case parked
  }

  private let layout: ExtendedStateLayout
  private let bytes: UnsafeMutableRawBufferPointer
  private var place = Place.home
  private var stub: Stub?
  /// Its area in the stub's bank; nil when the bank is full.
  private var area: Int?

  init(_ layout: ExtendedStateLayout, _ area: [UInt8]) {
    precondition(area.count == layout.size)
    self.layout = layout
    bytes = .allocate(byteCount: area.count, alignment: 64)
    bytes.copyBytes(from: area)
  }

  deinit { bytes.deallocate() }

  /// A copy of the state, wherever it is.
  func contents() throws(MachineError) -> [UInt8] {
    try fetch()
    return Array(bytes)
  }

  /// Replaces the state. What a stub holds of it is forgotten.
  func replace(_ area: [UInt8]) {
    precondition(area.count == bytes.count)
    leave()
    bytes.copyBytes(from: area)
  }

  /// Gives up what a stub holds of it.
  func leave() {
    if let stub {
      if stub.loaded === self { stub.loaded = nil }
      // A stub that was killed has no areas any more.
      if let area, area < stub.areas.count { stub.areas[area] = nil }
    }
    stub = nil
    area = nil
    place = .home
  }

  /// Takes the state out of its stub.
  func bringHome() throws(MachineError) {
    defer { leave() }
    try fetch()
  }

  /// Brings `bytes` up to date.
  private func fetch() throws(MachineError) {
    guard let stub else { return }
    switch place {
    case .home: break
    case .live:
      let size = try checked(rsb_ptrace_get_xstate(stub.pid, bytes.baseAddress, bytes.count), "PTRACE_GETREGSET")
      if size != bytes.count { throw MachineError("XSAVE area changed its size") }
      layout.repairControl(bytes)
    case .parked:
      var raw = [UInt8](repeating: 0, count: bytes.count)
      let count = rsb_process_read(stub.pid, &raw, layout.address(ofArea: area!), raw.count)
      if try checked(count, "read of an XSAVE area") != raw.count { throw MachineError("XSAVE area cut short") }
      bytes.copyBytes(from: layout.sanitized(raw))
    }
  }

  /// Arranges that the stub runs with this state: at once, or by the detour that the result describes.
  func prepare(in stub: Stub, mayDetour: Bool) throws(MachineError) -> rsb_detour {
    var detour = rsb_detour()
    if stub.loaded === self { return detour }
    if self.stub !== stub {
      try bringHome()
      self.stub = stub
      area = stub.claimArea(for: self, layout)
    }
    let previous = stub.loaded
    guard mayDetour, let area, previous == nil || previous?.area != nil else {
      try exchange(with: previous, in: stub)
      return detour
    }
    let address = layout.address(ofArea: area)
    if place == .home {
      let count = rsb_process_write(stub.pid, bytes.baseAddress, address, bytes.count)
      if try checked(count, "write of an XSAVE area") != bytes.count { throw MachineError("XSAVE area cut short") }
      place = .parked
    }
    detour.entry = StubLayout.blob + StubLayout.switchState
    detour.save = layout.address(ofArea: previous?.area ?? 0)
    detour.load = address
    detour.list = stub.list
    detour.components = layout.supported
    return detour
  }

  /// The detour was taken.
  func arrived() {
    guard let stub else { return }
    stub.loaded?.place = .parked
    stub.loaded = self
    place = .live
  }

  /// The same by ptrace alone.
  private func exchange(with previous: ContextState?, in stub: Stub) throws(MachineError) {
    try fetch()
    if let previous {
      try previous.fetch()
      previous.place = .home
    }
    try checked(rsb_ptrace_set_xstate(stub.pid, bytes.baseAddress, bytes.count), "PTRACE_SETREGSET")
    stub.loaded = self
    place = .live
  }
}

extension Stub {
  /// An area of the bank for a task, or nil when all are taken.
  fileprivate func claimArea(for state: ContextState, _ layout: ExtendedStateLayout) -> Int? {
    if let free = areas.dropFirst().firstIndex(where: { $0 == nil }) {
      areas[free] = state
      return free
    }
    if areas.count >= layout.areasMost { return nil }
    areas.append(state)
    return areas.count - 1
  }
}
