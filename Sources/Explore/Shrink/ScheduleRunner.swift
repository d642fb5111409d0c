// How those that look for a smaller or clearer schedule execute one.

import Kernel
import RecordReplay

/// Executes schedules of one program, and says which fail as the one that was found.
struct ScheduleRunner {
  /// A schedule that came about, and whether it failed in the same way.
  typealias Followed = (schedule: Schedule, fails: Bool, work: Work)
  typealias Noted = (run: BoundedRun, fails: Bool, work: Work)

  /// Executes what fits of a schedule, the default in place of the rest.
  let followed: (Schedule) throws(SessionError) -> Followed
  /// Executes schedules that a `BoundedSchedules` gave, or that came about, perhaps at the same time, and notes places.
  let noted: ([Schedule], PlaceNotes) throws(SessionError) -> [Noted]
  /// Executions so far.
  private(set) var executions = 0
  /// What they took.
  private(set) var work = Work()

  init(
    followed: @escaping (Schedule) throws(SessionError) -> Followed,
    noted: @escaping ([Schedule], PlaceNotes) throws(SessionError) -> [Noted]
  ) {
    self.followed = followed
    self.noted = noted
  }

  mutating func follow(_ schedule: Schedule) throws(SessionError) -> Followed {
    executions += 1
    let tried = try followed(schedule)
    work = work + tried.work
    return tried
  }

  /// The schedule that came about when it fails in the same way, otherwise nil.
  mutating func failing(_ schedule: Schedule) throws(SessionError) -> Schedule? {
    let tried = try follow(schedule)
    return tried.fails ? tried.schedule : nil
  }

  mutating func note(_ schedule: Schedule, from switches: Int? = nil) throws(SessionError) -> Noted {
    try note([schedule], PlaceNotes(from: switches))[0]
  }

  mutating func note(_ schedules: [Schedule], _ notes: PlaceNotes) throws(SessionError) -> [Noted] {
    executions += schedules.count
    let runs = try noted(schedules, notes)
    for run in runs { work = work + run.work }
    return runs
  }
}
