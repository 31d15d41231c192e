// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// What a follower of the feed receives, in order.
package enum FeedItem: Hashable, Sendable {
    case event(FeedEvent)
    /// The follower was too slow and is cut off: the events `from` to `through` were not kept for it. Nothing comes after this; the
    /// follower asks again after the last event it has, and the journal still holds them all.
    case gap(from: UInt64, through: UInt64)
    /// How far a step has come. It is in no journal: a follower that is busy or away misses it, and the next one says more.
    case progress(FeedProgress)
    /// Nothing happened for a while; `head` is the last event there is.
    case beat(head: UInt64, at: Timestamp)
}

/// Progress of one step at one moment.
package struct FeedProgress: Hashable, Sendable {
    package var step: StepID
    /// Who tells; absent for the coordinator's own tools.
    package var node: NodeID?
    package var at: Timestamp
    package var progress: StepProgress
    package init(step: StepID, node: NodeID?, at: Timestamp, progress: StepProgress) {
        self.step = step
        self.node = node
        self.at = at
        self.progress = progress
    }
}

/// How items are written.
package enum FeedFormat: String, Hashable, Sendable, CaseIterable {
    /// One JSON object per line.
    case ndjson
    /// Server-sent events; the id of each is its sequence, so that a browser resumes by itself.
    case sse

    package var contentType: String {
        switch self {
        case .ndjson: "application/x-ndjson"
        case .sse: "text/event-stream"
        }
    }

    /// The first bytes of a stream.
    package var preamble: String {
        switch self {
        case .ndjson: ""
        case .sse: "retry: 2000\n\n"
        }
    }

    package func write(_ item: FeedItem) -> String {
        switch (self, item) {
        case (.ndjson, _): Self.json(item) + "\n"
        case (.sse, .event(let event)): "id: \(event.sequence)\nevent: \(event.kind)\ndata: \(event.json)\n\n"
        // Without an id: the follower's place stays at the last event it has.
        case (.sse, .gap): "event: gap\ndata: \(Self.json(item))\n\n"
        case (.sse, .progress): "event: progress\ndata: \(Self.json(item))\n\n"
        case (.sse, .beat): ": beat\n\n"
        }
    }

    private static func json(_ item: FeedItem) -> String {
        var object = JSONText()
        switch item {
        case .event(let event): return event.json
        case .gap(let from, let through):
            object.add("kind", "gap")
            object.add("from", from)
            object.add("through", through)
            object.add("lost", through - from + 1)
            object.add("text", "this reader was too slow; ask again since \(from - 1)")
        case .progress(let progress):
            object.add("kind", "progress")
            object.add("time", progress.at.description)
            object.add("step", progress.step.text)
            if let node = progress.node { object.add("node", node.text) }
            object.add("phase", progress.progress.phase.rawValue)
            object.add("done", progress.progress.done)
            object.add("total", progress.progress.total)
            object.add("bytesPerSecond", progress.progress.rate)
            object.add("secondsLeft", progress.progress.remaining.map { UInt64(clamping: $0.components.seconds) })
            if let current = progress.progress.current {
                object.add("current", current.name)
                object.add("currentSeconds", UInt64(clamping: current.seconds))
            }
        case .beat(let head, let time):
            object.add("kind", "beat")
            object.add("head", head)
            object.add("time", time.description)
        }
        return object.finished
    }
}
