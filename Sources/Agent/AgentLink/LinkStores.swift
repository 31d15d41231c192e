// SPDX-License-Identifier: Apache-2.0

package import AgentCore
import MeshModel
package import MeshSystem
import MeshWire

/// The outbox in one file, replaced as a whole at each change: it is small, as reports leave as soon as the coordinator is there.
package struct FileOutboxStore: OutboxStore {
    private let files: any FileStore
    private let path: String
    private let limits: Outbox.Limits

    package init(files: any FileStore, path: String, limits: Outbox.Limits = Outbox.Limits()) {
        self.files = files
        self.path = path
        self.limits = limits
    }

    package func load() throws -> Outbox? {
        guard let bytes = try files.read(path, limit: limits.bytes * 2 + (1 << 20)) else { return nil }
        let stored = try StoredOutbox(decoding: bytes)
        let entries = stored.entries.map { Outbox.Entry(report: $0.report, takenAt: $0.takenAt, sizeInBytes: $0.report.sizeInBytes) }
        return Outbox(limits: limits, entries: entries, nextSequence: stored.nextSequence, dropped: stored.dropped)
    }

    package func save(_ outbox: Outbox) throws {
        let entries = outbox.entries.map { StoredOutbox.Entry(report: $0.report, takenAt: $0.takenAt) }
        try files.write(
            StoredOutbox(nextSequence: outbox.nextSequence, dropped: outbox.dropped, entries: entries).encoded, to: path, mode: 0o600)
    }
}

/// The agent's state in one small file.
package struct FileAgentStateStore: AgentStateStore {
    private let files: any FileStore
    private let path: String

    package init(files: any FileStore, path: String) {
        self.files = files
        self.path = path
    }

    package func load() throws -> AgentState? {
        guard let bytes = try files.read(path, limit: 4096) else { return nil }
        let stored = try StoredAgentState(decoding: bytes)
        return AgentState(epoch: stored.epoch, acknowledged: stored.acknowledged, installation: stored.installation)
    }

    package func save(_ state: AgentState) throws {
        let stored = StoredAgentState(epoch: state.epoch, acknowledged: state.acknowledged, installation: state.installation)
        try files.write(stored.encoded, to: path, mode: 0o600)
    }
}
