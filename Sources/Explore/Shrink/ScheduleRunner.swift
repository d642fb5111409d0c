// How those that look for a smaller or clearer schedule execute one.

import Kernel
import RecordReplay

/// Executes schedules of one program, and says which fail as the one that was found.
struct ScheduleRunner {
  /// A schedule that came about, and whether it failed in the same way.
  typealias Followed = (schedule: Schedule, fails: Bool)
  typealias Noted = (run: BoundedRun, fails: Bool)

  /// Executes what fits of a schedule, the default in place of the rest.
  let followed: (Schedule) throws(SessionError) -> Followed
  /// Executes schedules that a `BoundedSchedules` gave, or that came about, perhaps at the same time, and notes places behind so
  /// many of their switches (nil: all).
  let noted: ([Schedule], Int?) throws(SessionError) -> [Noted]
  /// Executions so far.
  private(set) var executions = 0

  init(
    followed: @escaping (Schedule) throws(SessionError) -> Followed,
    noted: @escaping ([Schedule], Int?) throws(SessionError) -> [Noted]
  ) {
    self.followed = followed
    self.noted = noted
  }

  mutating func follow(_ schedule: Schedule) throws(SessionError) -> Followed {
    executions += 1
    return try followed(schedule)
  }

  /// The schedule that came about when it fails in the same way, otherwise nil.
  mutating func failing(_ schedule: Schedule) throws(SessionError) -> Schedule? {
    let tried = try follow(schedule)
    return tried.fails ? tried.schedule : nil
  }

  mutating func note(_ schedule: Schedule, from switches: Int? = nil) throws(SessionError) -> Noted {
    executions += 1
    return try noted([schedule], switches)[0]
  }

  mutating func note(_ schedules: [Schedule]) throws(SessionError) -> [Noted] {
    executions += schedules.count
    return try noted(schedules, nil)
  }
}
