// SPDX-License-Identifier: Apache-2.0

import AgentCore
package import Logging
import MeshModel
import MeshSystem
import NIOCore
import NIOPosix

/// The agent's line to its coordinator: dials, says Hello, takes orders, keeps their reports until they are acknowledged, dials again.
package final class AgentLink: Sendable {
    let configuration: AgentLinkConfiguration
    let handler: any TaskHandler
    let outboxStore: any OutboxStore
    let stateStore: any AgentStateStore
    private let observe: @Sendable (LinkEvent) -> Void
    private let log: Logger

    /// `observe` is called in order, from the link's own task, and must not wait.
    package init(
        configuration: AgentLinkConfiguration, handler: any TaskHandler, outboxStore: any OutboxStore, stateStore: any AgentStateStore,
        log: Logger, observe: @escaping @Sendable (LinkEvent) -> Void = { _ in }
    ) {
        self.configuration = configuration
        self.handler = handler
        self.outboxStore = outboxStore
        self.stateStore = stateStore
        self.log = log
        self.observe = observe
    }

    /// Works until cancelled. Orders that are under way are then cancelled, and their results still reach the outbox. Throws only when the kept
    /// state cannot be used; a coordinator that is away is waited for.
    package func run() async throws {
        guard !configuration.coordinators.isEmpty else { throw AgentLinkError.noCoordinators }
        let own = configuration.sharesThreads ? nil : MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let (events, inlet) = AsyncStream.makeStream(of: LinkLoop.Event.self)
        let loop: LinkLoop
        do {
            loop = try LinkLoop(link: self, group: own ?? MultiThreadedEventLoopGroup.singleton, inlet: inlet)
        } catch {
            try await own?.shutdownGracefully()
            throw error
        }
        inlet.yield(.start)
        // Ends after `.stop`; not a child, because the results of cancelled orders are still taken in after the cancellation.
        let work = Task { await Self.work(loop, events: events) }
        await withTaskCancellationHandler {
            await work.value
        } onCancel: {
            inlet.yield(.stop)
        }
        try await own?.shutdownGracefully()
    }

    /// Logs the event and passes it on.
    func tell(_ event: LinkEvent) {
        switch event {
        case .connecting(let endpoint): log.debug("dialling the coordinator", metadata: ["coordinator": "\(endpoint)"])
        case .live(let endpoint, let epoch): log.info("session live", metadata: ["coordinator": "\(endpoint)", "epoch": "\(epoch)"])
        case .refused(let endpoint, let code, let words):
            log.warning("session refused", metadata: ["coordinator": "\(endpoint)", "code": "\(code)", "why": "\(words)"])
        case .lost(let endpoint, let why): log.notice("session lost", metadata: ["coordinator": "\(endpoint)", "why": "\(why)"])
        case .waiting(let wait): log.debug("waiting before the next try", metadata: ["wait": "\(wait.briefly)"])
        case .performed(let task): log.info("task performed", metadata: ["task": "\(task)"])
        case .dropped(let reports): log.warning("reports dropped from a full outbox", metadata: ["reports": "\(reports)"])
        case .storageFailed(let why): log.error("state could not be kept", metadata: ["why": "\(why)"])
        }
        observe(event)
    }

    private static func work(_ loop: consuming LinkLoop, events: AsyncStream<LinkLoop.Event>) async {
        var loop = loop
        await withDiscardingTaskGroup { group in
            group.addTask { [watch = loop.watch] in await watch() }
            for await event in events {
                for order in loop.handle(event) {
                    switch order {
                    case .perform(let task): group.addTask { [perform = loop.perform] in await perform(task) }
                    case .cancelAll: group.cancelAll()
                    }
                }
                if loop.isOver { break }
            }
            group.cancelAll()
        }
    }
}
