// SPDX-License-Identifier: Apache-2.0

package import Logging
package import MeshModel
package import MeshSystem
import MeshWire
import NIOCore
import NIOPosix
import Synchronization
package import Telemetry

/// Everything that the feed needs to know.
package struct FeedLinkConfiguration: Sendable {
    package var node: NodeID
    package var agentVersion: String
    /// Of this boot of the machine.
    package var bootID: BootID
    /// Tried one after the other.
    package var coordinators: [Endpoint]
    /// Asked for every connection.
    package var identity: @Sendable () throws -> AgentIdentity
    package var judge: CoordinatorJudge
    package var now: NowSource
    /// From the first packet to the finished TLS handshake, and again from Hello to Welcome.
    package var handshake = Duration.seconds(5)
    package var backoff = Backoff()
    /// Uses the process-wide threads for connections in place of one of its own.
    package var sharesThreads = false

    /// The same coordinator, identity and judge as the link for orders.
    package init(_ link: AgentLinkConfiguration) {
        node = link.node
        agentVersion = link.agentVersion
        bootID = link.bootID
        coordinators = link.coordinators
        identity = link.identity
        judge = link.judge
        now = link.now
        handshake = link.handshake
        backoff = link.backoff
        sharesThreads = link.sharesThreads
    }
}

/// What the feed tells its surroundings, for logs and tests.
package enum FeedEvent: Hashable, Sendable {
    case live(Endpoint)
    case lost(Endpoint, why: String)
    /// The coordinator does not want it, and says why.
    case refused(Endpoint, code: String, words: String)
    /// One batch was not taken and will not be sent again.
    case batchRefused(TelemetryStream, why: String)
}

/// The agent's second line to its coordinator, for telemetry alone: whatever happens on it, orders do not wait. Sends what the spool holds within
/// the credit that the coordinator gives, forgets what is acknowledged, dials again.
package final class FeedLink: Sendable {
    let configuration: FeedLinkConfiguration
    let spool: any FeedSpool
    private let observe: @Sendable (FeedEvent) -> Void
    private let log: Logger
    private let inbox = Mutex<FeedInbox?>(nil)

    /// The name of the thread that asks the spool.
    static let thread = "feed"

    /// `observe` is called in order, on the feed's own thread, and must not wait.
    package init(
        configuration: FeedLinkConfiguration, spool: any FeedSpool, log: Logger, observe: @escaping @Sendable (FeedEvent) -> Void = { _ in }
    ) {
        self.configuration = configuration
        self.spool = spool
        self.log = log
        self.observe = observe
    }

    /// The spool has something new. May be called from any thread at any time.
    package func wake() { inbox.withLock { $0 }?.yield(.written) }

    /// Works until cancelled; a coordinator that is away is waited for.
    package func run() async throws {
        guard !configuration.coordinators.isEmpty else { throw AgentLinkError.noCoordinators }
        let own = configuration.sharesThreads ? nil : MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let group: any EventLoopGroup = own ?? MultiThreadedEventLoopGroup.singleton
        let inbox = FeedInbox()
        self.inbox.withLock { $0 = inbox }
        try await withTaskCancellationHandler {
            // The loop asks the spool, whose disk may hang. The few threads that all tasks share belong to the orders, too.
            try await OwnThread.run(named: Self.thread) { [self] in
                var loop = FeedLoop(link: self, group: group, inbox: inbox)
                loop.handle(.start)
                while let event = inbox.next() { loop.handle(event) }
                loop.handle(.stop)
            }
        } onCancel: {
            inbox.finish()
        }
        self.inbox.withLock { $0 = nil }
        try await own?.shutdownGracefully()
    }

    /// Logs the event and passes it on.
    func tell(_ event: FeedEvent) {
        switch event {
        case .live(let endpoint): log.info("feed live", metadata: ["coordinator": "\(endpoint)"])
        case .lost(let endpoint, let why): log.notice("feed lost", metadata: ["coordinator": "\(endpoint)", "why": "\(why)"])
        case .refused(let endpoint, let code, let words):
            log.warning("feed refused", metadata: ["coordinator": "\(endpoint)", "code": "\(code)", "why": "\(words)"])
        case .batchRefused(let stream, let why): log.warning("batch refused", metadata: ["stream": "\(stream)", "why": "\(why)"])
        }
        observe(event)
    }
}
