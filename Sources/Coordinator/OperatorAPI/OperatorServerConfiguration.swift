// SPDX-License-Identifier: Apache-2.0

import Glibc
package import MeshModel
package import Planning
package import Telemetry

/// Where the admin surface listens, whom it lets in, and how much it takes. What is absent is not opened.
package struct OperatorServerConfiguration: Sendable {
    package var unixSocket: UnixSocket?
    package var mutualTLS: MutualTLS?
    package var readOnly: ReadOnly?
    package var limits: Limits

    package init(unixSocket: UnixSocket? = nil, mutualTLS: MutualTLS? = nil, readOnly: ReadOnly? = nil, limits: Limits = Limits()) {
        self.unixSocket = unixSocket
        self.mutualTLS = mutualTLS
        self.readOnly = readOnly
        self.limits = limits
    }

    /// A socket of mode 0600 that names its callers by the uid that the kernel tells.
    package struct UnixSocket: Sendable {
        package var path: String
        package var role: @Sendable (_ uid: UInt32) -> Caller.Role?
        /// - Parameter role: what a uid may do; by default root and the user we run as are admins, and nobody else gets in.
        package init(path: String, role: (@Sendable (_ uid: UInt32) -> Caller.Role?)? = nil) {
            self.path = path
            self.role = role ?? { $0 == 0 || $0 == geteuid() ? .admin : nil }
        }
    }

    /// TLS 1.3 with client certificates. Each connection has a TLS context of its own: no session of an earlier one is ever resumed.
    package struct MutualTLS: Sendable {
        package var host: String
        package var port: Int
        /// Asked for every connection, so that a renewed certificate is used at once.
        package var identity: @Sendable () throws -> ServerIdentity
        /// Judges the client's chain (DER, leaf first): in the handshake, and again for every request, so that a revocation counts at once.
        package var judge: @Sendable (_ chain: [[UInt8]]) -> Result<Caller, CallerRefusal>
        package init(
            host: String, port: Int, identity: @escaping @Sendable () throws -> ServerIdentity,
            judge: @escaping @Sendable (_ chain: [[UInt8]]) -> Result<Caller, CallerRefusal>
        ) {
            self.host = host
            self.port = port
            self.identity = identity
            self.judge = judge
        }
    }

    /// Plain HTTP for metrics, health and dashboard: every caller is a viewer. Meant for loopback.
    package struct ReadOnly: Sendable {
        package var host: String
        package var port: Int
        /// Host names in requests that are answered besides `localhost` and IP addresses: a web page of elsewhere must not read us by a
        /// name of its own (DNS rebinding).
        package var names: Set<String>
        package init(host: String = "127.0.0.1", port: Int, names: Set<String> = []) {
            self.host = host
            self.port = port
            self.names = names
        }
    }

    package struct Limits: Sendable {
        /// Connections at once, for each listener.
        package var connections = 256
        package var planBytes = 64 << 20
        package var bodyBytes = 1 << 20
        /// Readers of stored telemetry at once, over all listeners.
        package var queries = 4
        /// A connection must have finished its handshake and begun its request in this time.
        package var firstByte = Duration.seconds(10)
        /// A connection without a request, or a request of which nothing arrives, is closed after this.
        package var idle = Duration.seconds(60)
        /// A client that takes nothing of its answer for this long is cut.
        package var stalledWrite = Duration.seconds(30)
        /// An answer that takes longer is given up with 504; what was asked may still happen.
        package var answer = Duration.seconds(60)
        /// The same for a preview, which is as slow as Terraform.
        package var preview = Duration.seconds(600)
        package init() {}
    }

    /// Our own certificate and key.
    package struct ServerIdentity: Hashable, Sendable {
        /// DER, leaf first.
        package var chain: [[UInt8]]
        package var privateKeyPEM: String
        package init(chain: [[UInt8]], privateKeyPEM: String) {
            self.chain = chain
            self.privateKeyPEM = privateKeyPEM
        }
    }
}

/// Why a caller is not let in, as a sentence.
package struct CallerRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    package var words: String
    package init(_ words: String) { self.words = words }
    package var description: String { words }
}

/// What the surface shows that is not an answer of the backend: handed in by main, which knows the feed and the planner's digest.
package struct OperatorSources: Sendable {
    /// SHA-256 of the canonical JSON of a plan's body.
    package var digest: @Sendable (Plan.Body) throws -> Digest
    /// The plan of the present or last run.
    package var plan: @Sendable () async -> Plan?
    /// Opens the event feed for one follower. A `BackendRefusal` is answered as such.
    package var events: @Sendable (EventRequest) async throws -> EventStream
    /// Reads stored telemetry for one asker.
    package var telemetry: @Sendable (TelemetryRequest) async throws -> EventStream
    /// Follows outlines of telemetry as it comes. A `BackendRefusal` is answered as such.
    package var live: @Sendable (TelemetryQuery) async throws -> EventStream
    /// What `since=10m` counts back from.
    package var now: @Sendable () -> Timestamp
    /// Absent for none.
    package var dashboard: Dashboard?

    package init(
        digest: @escaping @Sendable (Plan.Body) throws -> Digest, plan: @escaping @Sendable () async -> Plan?,
        events: @escaping @Sendable (EventRequest) async throws -> EventStream,
        telemetry: @escaping @Sendable (TelemetryRequest) async throws -> EventStream,
        live: @escaping @Sendable (TelemetryQuery) async throws -> EventStream, now: @escaping @Sendable () -> Timestamp,
        dashboard: Dashboard? = nil
    ) {
        self.digest = digest
        self.plan = plan
        self.events = events
        self.telemetry = telemetry
        self.live = live
        self.now = now
        self.dashboard = dashboard
    }
}

/// The page for browsers, with what it loads from us.
package struct Dashboard: Sendable {
    /// Writes the page; asked with the parameters of its address, by name.
    package var page: @Sendable (_ query: @Sendable (String) -> String?) async throws -> String
    package var stylesheet: String
    package var script: String
    package init(page: @escaping @Sendable (@Sendable (String) -> String?) async throws -> String, stylesheet: String, script: String) {
        self.page = page
        self.stylesheet = stylesheet
        self.script = script
    }
}

/// Which events a follower wants, and how.
package struct EventRequest: Hashable, Sendable {
    /// The last event it has; `nil` is from now on.
    package var after: UInt64?
    /// Whether to wait for what has not happened yet.
    package var follow: Bool
    /// Server-sent events instead of one JSON object per line.
    package var serverSent: Bool
    package init(after: UInt64?, follow: Bool, serverSent: Bool) {
        self.after = after
        self.follow = follow
        self.serverSent = serverSent
    }
}

/// An opened feed: text as it goes on the wire, piece by piece.
package struct EventStream: Sendable {
    /// The next piece, waiting for it; `nil` at the end.
    package var next: @Sendable () async throws -> String?
    /// Ends the stream: a waiting `next` returns `nil`.
    package var cancel: @Sendable () -> Void
    package init(next: @escaping @Sendable () async throws -> String?, cancel: @escaping @Sendable () -> Void) {
        self.next = next
        self.cancel = cancel
    }
}
