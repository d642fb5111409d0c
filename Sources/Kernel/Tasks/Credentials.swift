// Who a task is: credentials(7).

/// User and group ids and capabilities of a task. The guest starts with the caller's ids.
struct Credentials: Hashable, Sendable {
  var realUser: UInt32
  var effectiveUser: UInt32
  var savedUser: UInt32
  var fsUser: UInt32
  var realGroup: UInt32
  var effectiveGroup: UInt32
  var savedGroup: UInt32
  var fsGroup: UInt32
  var supplementaryGroups: [UInt32]
  var permittedCapabilities: UInt64
  var effectiveCapabilities: UInt64
  var inheritableCapabilities: UInt64 = 0
  var boundingCapabilities: UInt64
  var ambientCapabilities: UInt64 = 0
  var noNewPrivileges = false
  var keepCapabilities = false

  /// CAP_LAST_CAP of Linux 6.x is 40.
  static let allCapabilities: UInt64 = (1 << 41) - 1

  init(user: UInt32, group: UInt32, supplementaryGroups: [UInt32]) {
    realUser = user
    effectiveUser = user
    savedUser = user
    fsUser = user
    realGroup = group
    effectiveGroup = group
    savedGroup = group
    fsGroup = group
    self.supplementaryGroups = supplementaryGroups
    permittedCapabilities = user == 0 ? Self.allCapabilities : 0
    effectiveCapabilities = permittedCapabilities
    boundingCapabilities = Self.allCapabilities
  }

  func hasCapability(_ number: Int) -> Bool { effectiveCapabilities & (1 << number) != 0 }
  func isMember(ofGroup group: UInt32) -> Bool { fsGroup == group || supplementaryGroups.contains(group) }
}
