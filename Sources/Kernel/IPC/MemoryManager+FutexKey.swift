import Platform

extension MemoryManager {
  /// The object and byte offset behind an address of a shared mapping; nil in private memory.
  func futexKey(_ address: GuestAddress) -> (object: MemoryObjectID, offset: UInt64)? { nil }
}
