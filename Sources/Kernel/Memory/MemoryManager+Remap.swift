// mremap(2), after mm/mremap.c.

import LinuxABI
import Platform

/// Decoded arguments of mremap; lengths rounded up to pages.
struct RemapRequest {
  var address: GuestAddress
  var oldLength: UInt64
  var newLength: UInt64
  /// MREMAP_MAYMOVE.
  var mayMove: Bool
  /// MREMAP_FIXED.
  var target: GuestAddress?
  /// MREMAP_DONTUNMAP.
  var keepsOld: Bool
}

extension MemoryManager {
  /// Resizes or moves a mapping; returns its address. EFAULT, EINVAL, ENOMEM, EAGAIN.
  func remap(_ kernel: Kernel, _ request: RemapRequest, limits: ResourceLimits) throws(Errno) -> GuestAddress {
    var request = request
    guard list.mapping(at: request.address) != nil else { throw .EFAULT }
    if request.target != nil || request.keepsOld { return try moveTo(kernel, &request, limits) }
    if request.oldLength >= request.newLength {
      try shrink(kernel, &request)
      return request.address
    }
    let mapping = try resizable(kernel, request, limits)
    if request.oldLength == mapping.range.end - request.address,
      request.newLength <= AddressLayout.end.rawValue - min(request.address.rawValue, AddressLayout.end.rawValue),
      list.isFree(GuestRange(mapping.range.end, request.address + request.newLength))
    {
      try growInPlace(kernel, mapping, GuestRange(mapping.range.end, request.address + request.newLength))
      return request.address
    }
    if !request.mayMove { throw .ENOMEM }
    return try move(kernel, mapping, request)
  }

  /// Gives back the tail of a mapping that becomes shorter.
  private func shrink(_ kernel: Kernel, _ request: inout RemapRequest) throws(Errno) {
    if request.oldLength > request.newLength {
      try unmap(kernel, request.address + request.newLength, request.oldLength - request.newLength)
    }
    request.oldLength = request.newLength
  }

  /// mremap_to: a given target, or the old place kept.
  private func moveTo(_ kernel: Kernel, _ request: inout RemapRequest, _ limits: ResourceLimits) throws(Errno)
    -> GuestAddress
  {
    if let target = request.target {
      guard target.isPageAligned, request.newLength <= AddressLayout.end.rawValue,
        target <= AddressLayout.end - request.newLength, target >= AddressLayout.lowest
      else { throw .EINVAL }
      let targetRange = GuestRange(target, target + request.newLength)
      if let old = GuestRange(request.address, length: request.oldLength), old.overlaps(targetRange) { throw .EINVAL }
      try unmap(kernel, target, request.newLength)
    }
    if request.oldLength > request.newLength { try shrink(kernel, &request) }
    return try move(kernel, try resizable(kernel, request, limits), request)
  }

  /// vma_to_resize: the mapping that holds the whole old range, if the new size is allowed.
  private func resizable(_ kernel: Kernel, _ request: RemapRequest, _ limits: ResourceLimits) throws(Errno) -> Mapping {
    guard let mapping = list.mapping(at: request.address) else { throw .EFAULT }
    if request.oldLength == 0 && !mapping.isShared { throw .EINVAL }
    if request.keepsOld && !mapping.isPrivateAnonymous { throw .EINVAL }
    if request.oldLength > mapping.range.end - request.address { throw .EFAULT }
    if request.newLength == request.oldLength { return mapping }
    let offset = mapping.offset + (request.address - mapping.range.start)
    if offset.addingReportingOverflow(request.newLength).overflow { throw .EINVAL }
    var grown = mapping
    let added = request.newLength - request.oldLength
    guard let range = GuestRange(GuestAddress(0), length: added) else { throw .ENOMEM }
    grown.range = range
    try checkLimits(kernel, replacing: [], by: grown, limits)
    return mapping
  }

  private func growInPlace(_ kernel: Kernel, _ mapping: Mapping, _ added: GuestRange) throws(Errno) {
    var extension_ = mapping
    extension_.range = added
    extension_.offset = mapping.object == nil ? 0 : mapping.offset + mapping.range.length
    mapping.object?.retain()
    changeList(kernel) { $0.insert(extension_, kernel) }
    try kernel.effect { machine throws(MachineError) in
      try machine.remap(space, mapping.range, to: GuestRange(mapping.range.start, added.end))
    }
  }

  private func move(_ kernel: Kernel, _ mapping: Mapping, _ request: RemapRequest) throws(Errno) -> GuestAddress {
    if list.count + 3 > Self.mappingsMax { throw .ENOMEM }
    let free = GuestRange(AddressLayout.mappingsStart, AddressLayout.mappingsEnd)
    guard let start = request.target ?? list.highestPlace(request.newLength, in: free) else { throw .ENOMEM }
    let target = GuestRange(start, start + request.newLength)
    let old = GuestRange(request.address, request.address + request.oldLength)
    var moved = mapping
    moved.range = target
    moved.label = .none
    moved.offset = mapping.object == nil ? 0 : mapping.offset + (request.address - mapping.range.start)
    if old.isEmpty {
      // The old way to map shared memory a second time.
      moved.object?.retain()
      try put(kernel, moved)
      return start
    }
    changeList(kernel) { list in
      // The count of the old piece goes over to the moved one.
      _ = list.take(old)
      list.insert(moved, kernel)
      if request.keepsOld { list.insert(mapping.cut(to: old), kernel) }
    }
    try kernel.effect { machine throws(MachineError) in
      try machine.remap(space, old, to: target)
      if request.keepsOld { try machine.map(space, old, mapping.protection, .anonymous) }
    }
    return start
  }
}
