// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// Reports that the coordinator has not acknowledged yet, oldest first. Bounded; what has to go is decided and counted here.
///
///     add --> [ waiting ] --takeNext--> [ in flight ] --acknowledge--> gone
///                  ^---------- reconnected --------------'
package struct Outbox: Hashable, Sendable {
    /// How much may wait. Accounts of wipes stay even above it: they cannot be made again.
    package struct Limits: Hashable, Sendable {
        package var reports: Int
        package var bytes: Int
        package init(reports: Int = 512, bytes: Int = 4 << 20) {
            self.reports = reports
            self.bytes = bytes
        }
    }

    /// One report; its `age` is zero here and computed at each send.
    package struct Entry: Hashable, Sendable {
        package var report: TaskReport
        /// When the facts were taken.
        package var takenAt: Moment
        package var sizeInBytes: Int
        package init(report: TaskReport, takenAt: Moment, sizeInBytes: Int) {
            self.report = report
            self.takenAt = takenAt
            self.sizeInBytes = sizeInBytes
        }

        /// The report as it leaves now. Within one boot its age is exact; over a reboot only the wall clock is left, and its facts are void anyway.
        package func report(at now: Moment, boot: BootID) -> TaskReport {
            var report = report
            let age = report.bootID == boot ? now.age(of: takenAt) : now.wall - takenAt.wall
            report.age = TimeSpan(max(.zero, age))
            return report
        }

        var isAccountOfWipe: Bool {
            switch report.result {
            case .wiped: true
            case .failed: report.probe == nil
            case .facts, .refused: false
            }
        }
        var isFacts: Bool { if case .facts = report.result { true } else { false } }
    }

    package let limits: Limits
    package private(set) var entries: [Entry]
    /// The number of the next new report; it never goes back.
    package private(set) var nextSequence: UInt64
    /// Reports that had to go, ever.
    package private(set) var dropped: UInt64
    package private(set) var bytes: Int
    /// Entries up to this number were sent in the present session.
    private var sentThrough: UInt64 = 0

    package init(limits: Limits = Limits(), entries: [Entry] = [], nextSequence: UInt64 = 1, dropped: UInt64 = 0) {
        self.limits = limits
        self.entries = entries.sorted { $0.report.sequence < $1.report.sequence }
        self.nextSequence = max(nextSequence, (self.entries.last?.report.sequence ?? 0) + 1)
        self.dropped = dropped
        bytes = entries.reduce(0) { $0 + $1.sizeInBytes }
    }

    /// Whether a report of this task waits here.
    package func holds(_ task: TaskID) -> Bool { entries.contains { $0.report.task == task } }

    /// False when accounts of wipes alone fill half of the room: then no further wipe may begin, as its account must be kept.
    package var hasRoomForWipe: Bool {
        let accounts = entries.filter(\.isAccountOfWipe)
        return accounts.count * 2 < limits.reports && accounts.reduce(0) { $0 + $1.sizeInBytes } * 2 < limits.bytes
    }

    /// Numbers the report and keeps it. Above the limits the oldest probe facts go first, then the oldest refusals and failed probes; accounts of
    /// wipes never. Returns how many went.
    package mutating func add(_ report: TaskReport, takenAt: Moment, sizeInBytes: Int) -> Int {
        var report = report
        report.sequence = nextSequence
        report.age = TimeSpan(.zero)
        nextSequence += 1
        entries.append(Entry(report: report, takenAt: takenAt, sizeInBytes: sizeInBytes))
        bytes += sizeInBytes
        var gone = 0
        while entries.count > limits.reports || bytes > limits.bytes, let victim = victim {
            bytes -= entries.remove(at: victim).sizeInBytes
            gone += 1
        }
        dropped += UInt64(gone)
        return gone
    }

    private var victim: Int? { entries.firstIndex(where: \.isFacts) ?? entries.firstIndex { !$0.isAccountOfWipe } }

    /// The oldest entry that was not sent in this session, when fewer than `window` are in flight; it then counts as sent.
    package mutating func takeNext(window: Int) -> Entry? {
        let inFlight = entries.prefix { $0.report.sequence <= sentThrough }.count
        guard inFlight < window, inFlight < entries.count else { return nil }
        sentThrough = entries[inFlight].report.sequence
        return entries[inFlight]
    }

    /// The report is durable at the coordinator. False when it is not here: it was dropped, or acknowledged before.
    package mutating func acknowledge(_ sequence: UInt64) -> Bool {
        guard let index = entries.firstIndex(where: { $0.report.sequence == sequence }) else { return false }
        bytes -= entries.remove(at: index).sizeInBytes
        return true
    }

    /// A new session begins: everything that is here will be sent again, in order.
    package mutating func reconnected() { sentThrough = 0 }
}
