// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials

/// Decides at which journal entries of a run the coordinator dies. Pure: lines of the event feed in, yes or no out.
///
/// A boundary is an entry that moves a step or the run: an intent, a report, an end, a signature. Each counts once, or a step whose every
/// attempt is cut off would never end. What fell into the moment in which the coordinator died is seen only when the next one has replayed
/// it; nobody dies of that again.
struct LabBoundaries: Hashable, Sendable {
    /// Every N-th boundary; 1 for all.
    let every: Int
    /// The number of the last entry that was seen.
    private(set) var last: UInt64
    /// Boundaries at which the coordinator might have died.
    private(set) var met = 0
    private(set) var deaths = 0
    /// The run has ended.
    private(set) var isOver = false
    private var seen: Set<String> = []
    private var isReplaying = false

    private static let kinds: Set<String> = [
        "runStarted", "stepStarted", "stepReported", "stepFinished", "stepSkipped", "warrantTaken", "runFinished",
    ]

    init(every: Int, after last: UInt64) {
        self.every = max(1, every)
        self.last = last
    }

    /// The coordinator is dead; what comes next is an old entry until a new one has taken over.
    mutating func died() { isReplaying = true }

    /// True when it is to die now.
    mutating func dies(at line: String) -> Bool {
        guard let entry = try? JSONDecoder().decode(Entry.self, from: Data(line.utf8)), entry.seq > last else { return false }
        last = entry.seq
        if entry.kind == "runFinished" { isOver = true }
        if entry.kind == "coordinatorStarted" {
            isReplaying = false
            return false
        }
        guard Self.kinds.contains(entry.kind), seen.insert("\(entry.kind) \(entry.step ?? "")").inserted, !isReplaying else { return false }
        met += 1
        guard met.isMultiple(of: every) else { return false }
        deaths += 1
        return true
    }

    private struct Entry: Decodable {
        var seq: UInt64
        var kind: String
        var step: String?
    }
}
