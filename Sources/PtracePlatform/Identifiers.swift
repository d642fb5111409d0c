// Things by the identifiers that the kernel chooses, which count up from 1 and are never used again.
import Platform

extension Array {
  /// Stores at an identifier that was never used, with room made for it.
  mutating func place<Wrapped>(_ value: Wrapped, at id: UInt32) where Element == Wrapped? {
    let index = Int(id)
    precondition(index < 1 << 24, "identifiers count up from 1")
    while count <= index { append(nil) }
    precondition(self[index] == nil, "identifiers are never reused")
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
