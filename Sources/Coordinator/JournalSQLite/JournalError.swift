// SPDX-License-Identifier: Apache-2.0

/// What can be wrong with the journal on disk. Every case ends the coordinator: a journal that is not whole is not appended to.
package enum JournalError: Error, Hashable, Sendable, CustomStringConvertible {
    case cannotOpen(path: String, said: String)
    /// The file is something else; it was not touched.
    case notAJournal(path: String, said: String)
    case newerSchema(path: String, found: Int, known: Int)
    case locked(path: String, holder: Int32?)
    /// Entry `at` does not follow from the ones before it; 1 to `kept` are whole.
    case damaged(path: String, at: UInt64, kept: UInt64, what: String)
    /// The chain is whole, but this program does not know what the entry says.
    case unreadable(path: String, sequence: UInt64, kind: String, said: String)
    /// The disk refused an append. Nothing is appended after it, and what the file holds is no longer known.
    case cannotAppend(path: String, said: String)
    case stopped(path: String, said: String)

    package var description: String {
        switch self {
        case .cannotOpen(let path, let said): "cannot open the journal \(path): \(said)"
        case .notAJournal(let path, let said):
            "\(path) is not a meshgate journal (\(said)); it was left alone: choose another state directory, or restore the journal there"
        case .newerSchema(let path, let found, let known):
            "\(path) was written by a newer meshgate (schema \(found), this one knows \(known)); upgrade, "
                + "or restore a journal of this version"
        case .locked(let path, let holder):
            "\(path) is in use by \(holder.map { "process \($0)" } ?? "another process"); stop that coordinator first"
        case .damaged(let path, let sequence, let kept, let what):
            "the journal \(path) is damaged at entry \(sequence): \(what); entries 1 to \(kept) are whole. "
                + "Keep the file as it is and restore the journal from a backup"
        case .unreadable(let path, let sequence, let kind, let said):
            "entry \(sequence) of \(path) (\(kind)) is whole but cannot be understood: \(said); "
                + "it was written by another version of meshgate, use that"
        case .cannotAppend(let path, let said):
            "cannot append to the journal \(path): \(said). Nothing was acknowledged; restart meshgate when the disk is well again"
        case .stopped(let path, let said):
            "the journal \(path) takes nothing more since an append failed (\(said)); restart meshgate when the disk is well again"
        }
    }
}
