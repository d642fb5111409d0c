// Things by the identifiers that the caller chooses: small numbers from 1 on. One whose thing was taken away can be used again,
// as a hunt does whose executions share a machine.
import Platform

extension Array {
  /// Stores at an identifier that names nothing now, with room made for it.
  mutating func place<Wrapped>(_ value: Wrapped, at id: UInt32) where Element == Wrapped? {
    let index = Int(id)
    precondition(index < 1 << 24, "identifiers are small")
    while count <= index { append(nil) }
    precondition(self[index] == nil, "an identifier names two things")
    self[index] = value
  }

  /// What was stored and not taken away. `what` it is, for the error.
  func existing<Wrapped>(_ id: UInt32, _ what: String) throws(MachineError) -> Wrapped where Element == Wrapped? {
    let index = Int(id)
    guard index < count, let value = self[index] else { throw MachineError("\(what) \(id) does not exist") }
    return value
  }

  /// Takes away what is stored, if there is something.
  mutating func vacate<Wrapped>(_ id: UInt32) where Element == Wrapped? {
    if Int(id) < count { self[Int(id)] = nil }
  }
}
