// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshWire
import Telemetry

/// Hands what a feed sent to the inbox: batches that wait together are made durable together.
extension Session {
    func deliverFeed(_ items: ArraySlice<Item>, to inbox: any TelemetryInbox) async {
        var rest = items
        while let item = rest.first {
            switch item {
            case .statement(let number, let statement, let receivedAt, let size):
                rest.removeFirst()
                if let node = status?.node, !feedFailed { await inbox.stated(statement, of: node, at: receivedAt) }
                send(CoordinatorFeedFrame.taken(number: number))
                settled(size, reports: 1)
            case .batch:
                let together = rest.prefix { if case .batch = $0 { true } else { false } }
                rest = rest.dropFirst(together.count)
                await deliver(together, to: inbox)
            case .opened, .report, .alarm, .closed: rest.removeFirst()
            }
        }
    }

    private func deliver(_ items: ArraySlice<Item>, to inbox: any TelemetryInbox) async {
        guard let node = status?.node, !feedFailed else { return }
        var (batches, answers, size): ([TelemetryBatch], [(ordinal: UInt64, refusal: String?)], Int) = ([], [], 0)
        var latest: Moment?
        for case .batch(let ordinal, let content, let receivedAt, let bytes) in items {
            size += bytes
            latest = receivedAt
            switch content {
            case .success(let batch):
                batches.append(batch)
                answers.append((ordinal, nil))
            case .failure(let fault):
                answers.append((ordinal, "\(fault)"))
                await inbox.unreadable(fault, of: node)
            }
        }
        do {
            var taken =
                batches.isEmpty
                ? [] : try await inbox.take(batches, of: node, receivedAt: latest ?? Moment(wall: Timestamp(milliseconds: 0), boot: 0))
            for answer in answers {
                let refusal = answer.refusal ?? (taken.isEmpty ? nil : taken.removeFirst())
                send(CoordinatorFeedFrame.acknowledged(ordinal: answer.ordinal, refusal: refusal, credit: nil))
            }
        } catch {
            failFeed()
            let words = "the coordinator could not store telemetry; it will be asked for again"
            command(.close(.inboxFailed("\(error)"), Rejected(code: "notRecorded", words: words)))
        }
        settled(size, reports: items.count)
    }
}
