// SPDX-License-Identifier: Apache-2.0

package import MeshModel
package import MeshWire

/// Where the gateway listens, what it believes and where its limits are.
package struct FleetGatewayConfiguration: Sendable {
    /// Literal address to listen on.
    package var host: String
    /// Zero lets the kernel choose; see `FleetGateway.boundAddress`.
    package var port: Int
    /// Asked for every connection.
    package var identity: @Sendable () throws -> ServerIdentity
    package var gate: PeerGate
    /// The acting coordinator's fencing number.
    package var epoch: @Sendable () -> Generation
    /// Compares the head that an agent remembers with the journal. Not asked for `JournalHead.empty`.
    package var headCheck: @Sendable (JournalHead) async -> HeadVerdict
    package var now: @Sendable () -> Moment
    /// Of the coordinator's machine, told to agents.
    package var bootID: BootID
    package var limits = Limits()
    package var timing = Timing()
    /// What an agent may have on its way on its feed.
    package var feedCredit = FeedCredit()

    /// Counts and bytes; what is above them is refused or cut.
    package struct Limits: Hashable, Sendable {
        package var connections = 20_000
        package var connectionsPerAddress = 4096
        /// Connections that have not finished their handshake and Hello.
        package var unproven = 2048
        /// Tasks of one session that wait for the socket.
        package var queuedTasks = 64
        package var queuedTaskBytes = 2 << 20
        /// Reports of one session that wait for the inbox; above it the gateway stops reading from that session.
        package var waitingReports = 32
        package var waitingReportBytes = 1 << 20
        /// Threads for connections; zero takes the process-wide ones.
        package var threads = 0
        package init() {}
    }

    /// Every wait has an end.
    package struct Timing: Hashable, Sendable {
        /// From the accept to a finished TLS handshake.
        package var handshake = Duration.seconds(5)
        /// From the handshake to Hello or Join.
        package var greeting = Duration.seconds(5)
        /// How often agents ask for a sign of life.
        package var heartbeat = Duration.seconds(10)
        /// How often agents say on their feed how far they have counted.
        package var statement = Duration.seconds(2)
        /// Silence after which a session is dead.
        package var patience = Duration.seconds(15)
        /// How often live peers are judged again; revocation bites within this.
        package var sweep = Duration.seconds(4)
        /// How long an older session of the same node has to prove that it lives.
        package var proofOfLife = Duration.seconds(2)
        package init() {}
    }

    package init(
        host: String, port: Int, bootID: BootID, identity: @escaping @Sendable () throws -> ServerIdentity, gate: PeerGate,
        epoch: @escaping @Sendable () -> Generation, headCheck: @escaping @Sendable (JournalHead) async -> HeadVerdict,
        now: @escaping @Sendable () -> Moment
    ) {
        self.host = host
        self.port = port
        self.bootID = bootID
        self.identity = identity
        self.gate = gate
        self.epoch = epoch
        self.headCheck = headCheck
        self.now = now
    }
}
