// SPDX-License-Identifier: Apache-2.0

import MeshHTTP
package import MeshModel

/// What a watcher is told.
package enum WatchEvent: Hashable, Sendable {
    /// Forget all that was told before: the collection is listed anew.
    case restarted
    /// Was there when the collection was listed.
    case present(HelmValue)
    case added(HelmValue)
    case modified(HelmValue)
    case deleted(HelmValue)
    /// All that there is up to now has been told: after a list, and at each bookmark.
    case upToDate
}

/// Following a collection:
///
///     list ──pages──> watch from its version ──events, bookmarks──> watch again from the last version seen
///       ^                   │ 410, or an ERROR event with it             │ stream ended or broke (after a wait)
///       └───────────────────┴────────────────────────────────────────────┘
///
/// Nothing is kept but the line under way and the last version, so memory does not grow with the collection or with time.
extension KubernetesClient {
    /// The server is asked to end each stream after this long; a stream that does not end is cut a little later.
    private static let window = Duration.seconds(240)

    /// Tells everything in the collection at `path`, then every change, until `isEnough` says so, the task is cancelled, or the server has
    /// failed as often as patience allows without telling anything in between.
    package func watch(
        _ path: String, pageSize: Int = 100, isEnough: @Sendable @escaping (WatchEvent) async throws -> Bool
    ) async throws {
        // By number alone: a watch may live for weeks.
        var patience = patience
        patience.total = .seconds(365 * 86_400)
        var tries = Tries(patience)
        while true {
            try await tell(.restarted, isEnough)
            let version: String
            do {
                version = try await pages(path, pageSize: pageSize, restart: { try await tell(.restarted, isEnough) }) { items in
                    for item in items { try await tell(.present(item), isEnough) }
                }
                guard !version.isEmpty else { throw unreadable(watchCall(path, from: ""), "its list has no version to watch from") }
                try await tell(.upToDate, isEnough)
                try await follow(path, from: version, &tries, isEnough)
                // Came back: the version has expired. A server that says so again and again is not asked in a tight loop.
                guard try await tries.wait() else { throw unreadable(watchCall(path, from: version), "every version expires at once") }
            } catch is Enough {
                return
            }
        }
    }

    private struct Enough: Error {}

    private func tell(_ event: WatchEvent, _ isEnough: (WatchEvent) async throws -> Bool) async throws {
        if try await isEnough(event) { throw Enough() }
    }

    private func watchCall(_ path: String, from version: String) -> KubernetesCall {
        let seconds = Self.window.components.seconds
        let target = KubernetesCall.adding(
            ["watch": "1", "resourceVersion": version, "allowWatchBookmarks": "true", "timeoutSeconds": "\(seconds)"], to: path)
        return KubernetesCall(method: .get, path: target, deadline: Self.window + .seconds(30), isRepeatable: true)
    }

    /// Stream after stream; returns when the version has expired.
    private func follow(
        _ path: String, from first: String, _ tries: inout Tries, _ isEnough: @Sendable @escaping (WatchEvent) async throws -> Bool
    ) async throws {
        var version = first
        while true {
            let reader = WatchReader(call: watchCall(path, from: version), client: self)
            let began = patience.now()
            let ending = try await stream(reader, isEnough)
            version = await reader.version ?? version
            // A collection where nothing happens is a quiet stream, not a failing one.
            if await reader.heardAnything || patience.now().age(of: began) > .seconds(10) { tries.reset() }
            switch ending {
            case .expired: return
            case .over:
                guard try await tries.wait() else { throw unreadable(watchCall(path, from: version), "its streams end at once") }
            case .failed(let error, let asked):
                guard try await tries.wait(atLeast: asked) else { throw error }
            }
        }
    }

    private enum Ending {
        case over
        case expired
        /// May go better next time; the server may have said when.
        case failed(any Error, retryAfter: Duration?)
    }

    private func stream(
        _ reader: WatchReader, _ isEnough: @Sendable @escaping (WatchEvent) async throws -> Bool
    ) async throws -> Ending {
        do {
            let head = try await http.stream(try await request(reader.call)) { head, chunk in
                try await reader.take(chunk, head) { try await tell($0, isEnough) }
            }
            try await reader.finish(head)
            return .over
        } catch let error as HTTPClientError where error.isPassing {
            return .failed(error, retryAfter: nil)
        } catch KubernetesError.refused(_, _, let status) where status.isExpired {
            return .expired
        } catch let error as KubernetesError {
            guard case .refused(_, _, let status) = error, KubernetesPatience.isPassing(status.code) else { throw error }
            return .failed(error, retryAfter: status.retryAfter)
        }
    }
}

/// Reads one stream. An actor because the pieces come from the HTTP client's side; there is one reader at a time.
private actor WatchReader {
    /// A refusal is a small Status; no more of one is kept.
    private static let longestRefusal = 64 << 10

    let call: KubernetesCall
    let client: KubernetesClient
    private(set) var version: String?
    private(set) var heardAnything = false
    private var lines = WatchLines()
    private var refusal: [UInt8] = []

    init(call: KubernetesCall, client: KubernetesClient) {
        self.call = call
        self.client = client
    }

    func take(_ chunk: [UInt8], _ head: HTTPHead, tell: (WatchEvent) async throws -> Void) async throws {
        guard head.isSuccess else {
            refusal += chunk.prefix(Self.longestRefusal - refusal.count)
            return
        }
        guard lines.take(chunk) else { throw client.unreadable(call, "a line is longer than \(WatchLines.longest) bytes") }
        while let line = lines.next() { try await event(line, tell) }
    }

    /// Throws what the server said instead of a stream. A torn last line is nothing: the same event comes again from the last version.
    func finish(_ head: HTTPHead) throws {
        if head.isSuccess { return }
        if (300..<400).contains(head.status) { throw client.unreadable(call, "it is a redirect, and redirects are not followed") }
        throw KubernetesError.refused(
            call: call.name, server: client.access.server, KubernetesStatus(HTTPResponse(head: head, body: refusal)))
    }

    private func event(_ line: [UInt8], _ tell: (WatchEvent) async throws -> Void) async throws {
        guard let json = JSON.decode(line), let type = json["type"]?.string, let object = json["object"], object.isMap else {
            throw client.unreadable(call, "a line is not a watch event")
        }
        if type == "ERROR" {
            let status = KubernetesStatus(code: object["code"]?.integer ?? 0, json: object)
            throw KubernetesError.refused(call: call.name, server: client.access.server, status)
        }
        guard let seen = object["metadata", "resourceVersion"]?.string, !seen.isEmpty else {
            throw client.unreadable(call, "an event has no version")
        }
        switch type {
        case "ADDED": try await tell(.added(object))
        case "MODIFIED": try await tell(.modified(object))
        case "DELETED": try await tell(.deleted(object))
        case "BOOKMARK": try await tell(.upToDate)
        default: throw client.unreadable(call, "it has events of the unknown type \(type.shown.prefix(40))")
        }
        // Only after it was told: an event that was not taken comes again.
        version = seen
        heardAnything = true
    }
}
