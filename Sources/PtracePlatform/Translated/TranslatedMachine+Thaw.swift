// Objects that are files nobody changes (`FileMemory.init(unchanging:)`) cost no copy, until somebody is to change one: then a copy in memory
// takes its place in every space, as if it had been there all the time.
import Platform

extension TranslatedMachine {
  /// Before an object's bytes or size can change. Costs nothing where that was possible before.
  func thaw(_ id: MemoryObjectID) throws(MachineError) {
    let frozen = try host.object(id)
    if !frozen.isFrozen { return }
    try forEachMapping(of: id) { (mapping, space, spaceID) throws(MachineError) in
      // Translations of pages of its own, and the protection that guards them.
      try invalidate(mapping.range, in: space, spaceID)
      for attachment in space.remove(mapping.range) { try drop(attachment, spaceID) }
      let stub = try host.stub(spaceID)
      if !stub.queue.isEmpty { try stub.flush() }
    }
    // Their views are of the file.
    dropImages(of: id)
    host.destroyObject(id)
    try host.createObject(id, copyOf: frozen)
    try forEachMapping(of: id) { (mapping, _, spaceID) throws(MachineError) in
      for part in try unwritten(mapping, spaceID) {
        let piece = mapping.clipped(to: part)
        try host.map(spaceID, part, piece.protection, piece.source)
      }
    }
  }

  /// Where a private mapping shows its object still.
  private func unwritten(_ mapping: GuestMapping, _ id: AddressSpaceID) throws(MachineError) -> [GuestRange] {
    if !mapping.isDirty { return [mapping.range] }
    var parts: [GuestRange] = []
    var position = mapping.range.start
    try WrittenPages(try host.stub(id)).visit(position.rawValue, mapping.range.end.rawValue) { (start, end) in
      if position.rawValue < start { parts.append(GuestRange(position, GuestAddress(start))) }
      position = GuestAddress(end)
    }
    if position < mapping.range.end { parts.append(GuestRange(position, mapping.range.end)) }
    return parts
  }
}
