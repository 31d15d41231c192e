// SPDX-License-Identifier: Apache-2.0

import FeedExport
import Logging
import OTLPExport
import ServiceLifecycle

/// Writes Meshgate's own events to the log of this machine, each once unless the machine stops in between. Begins with what comes after it was switched
/// on, and goes on where it was after a restart.
struct SystemLogService: Service {
    let socket: SystemLogSocket
    let feed: EventFeed
    let mesh: String
    let positions: PositionFile
    let log: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var wasRefused = false
            while !Task.isCancelled {
                do {
                    if try await writePage() { continue }
                    if wasRefused { log.info("the machine's log takes events again") }
                    wasRefused = false
                } catch is CancellationError {
                    return
                } catch {
                    // Once for each trouble; the events stay in the journal until the log takes them.
                    if !wasRefused { log.warning("events wait for the machine's log", metadata: ["error": "\(error)"]) }
                    wasRefused = true
                }
                do { try await Task.sleep(for: .seconds(1)) } catch { return }
            }
        }
        try? await gracefulShutdown()
    }

    /// True when there may be more.
    private func writePage() async throws -> Bool {
        guard let after = try positions.read().flatMap({ UInt64($0) }), after <= feed.head else {
            try positions.write(String(feed.head))
            return false
        }
        guard after < feed.head else { return false }
        let events = try await feed.events(after: after, limit: 100)
        var written: UInt64?
        do {
            for event in events {
                try socket.send(SystemLogEntry(event, mesh: mesh))
                written = event.sequence
            }
        } catch {
            if let written { try positions.write(String(written)) }
            throw error
        }
        guard let written else { return false }
        try positions.write(String(written))
        return true
    }
}
