// Host calls that take buffers, as functions on arrays.
// Unsafe because the calls take pointers. Sound because each pointer is to an array or its spare room, is used inside
// the closure that lends it, and goes with that array's own count.

import CLinux

/// Lends a path as a C string. A path with a zero byte inside names what stands before it; the kernel never makes one.
func withPath<Result>(_ path: [UInt8], _ body: (UnsafePointer<CChar>) -> Result) -> Result {
  var terminated = path
  terminated.append(0)
  return terminated.withUnsafeBufferPointer { buffer in
    buffer.baseAddress!.withMemoryRebound(to: CChar.self, capacity: buffer.count) { body($0) }
  }
}

/// Up to `count` bytes at an offset, fewer at the end of the file; with 0 or -errno.
func readAll(_ descriptor: Int32, offset: Int64, count: Int) -> (bytes: [UInt8], error: Int) {
  var error = 0
  let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
    initialized = 0
    while initialized < count {
      let result = rsb_host_pread(
        descriptor, buffer.baseAddress! + initialized, count - initialized, offset + Int64(initialized))
      if result < 0 { error = result }
      if result <= 0 { break }
      initialized += result
    }
  }
  return (bytes, error)
}

/// What one read(2) gives; with 0 or -errno.
func readOnce(_ descriptor: Int32, count: Int) -> (bytes: [UInt8], error: Int) {
  var error = 0
  let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
    let result = rsb_host_read(descriptor, buffer.baseAddress, count)
    initialized = max(0, result)
    error = min(0, result)
  }
  return (bytes, error)
}

/// Writes everything; 0 or -errno. Waits where the host's end is slow and non-blocking. Public for the command line.
@discardableResult
public func writeAll(_ descriptor: Int32, _ bytes: ArraySlice<UInt8>) -> Int32 {
  var rest = bytes
  while !rest.isEmpty {
    let result = rest.withUnsafeBytes { rsb_host_write(descriptor, $0.baseAddress, $0.count) }
    switch result {
    case 0...: rest = rest.dropFirst(result)
    case -4, -11:
      if rsb_interrupt_requested() != 0 { return -4 }
      if result == -11 { _ = rsb_host_poll(descriptor, 1, 1000) }
    default: return Int32(result)
    }
  }
  return 0
}
