// SPDX-License-Identifier: Apache-2.0

/// How careful runs of a mesh are.
extension MeshSpec {
    /// What counts as proof, and how much is done at once.
    package struct Policy: Hashable, Sendable, Codable {
        /// Evidence older than this is stale.
        package var evidenceMaxAge: TimeSpan
        /// Distinct keys that must sign a warrant, 1 or 2.
        package var warrantSignatures: Int
        /// Steps that may run at once.
        package var parallelism: Int
        /// How wipes are witnessed and proven; absent in plans of earlier versions.
        package var wipes: Wipes?
        /// How long the clusters must stay connected before that counts; absent for a minute.
        package var steadyFor: TimeSpan?
        /// What becomes of gates that close again once their step has begun; absent for `Watch()`.
        package var watch: Watch?
        /// Whether clusters that run with CAs of their own are brought to the mesh's one; absent for no.
        package var migratesCA: Bool?
        /// What steps want to see of the hosts' telemetry; absent for nothing.
        package var telemetry: Telemetry?
        package init(
            evidenceMaxAge: TimeSpan = TimeSpan(.seconds(600)), warrantSignatures: Int = 1, parallelism: Int = 16, wipes: Wipes? = Wipes(),
            steadyFor: TimeSpan? = nil, watch: Watch? = nil, migratesCA: Bool? = nil,
            telemetry: Telemetry? = nil
        ) {
            self.evidenceMaxAge = evidenceMaxAge
            self.warrantSignatures = warrantSignatures
            self.parallelism = parallelism
            self.wipes = wipes
            self.steadyFor = steadyFor
            self.watch = watch
            self.migratesCA = migratesCA
            self.telemetry = telemetry
        }
    }

    /// Gates of the ground (links, routes, clocks, kernels, reach) are judged on after they opened. A regression is always told.
    package struct Watch: Hashable, Sendable, Codable {
        /// Whether steps that stand on a step whose ground gave way wait until it is good again.
        package var holdOnRegression: Bool
        /// Whether to go on when the run is over, which costs a few questions per node in every half of `evidence.maxAge`.
        package var afterRun: Bool
        package init(holdOnRegression: Bool = false, afterRun: Bool = false) {
            self.holdOnRegression = holdOnRegression
            self.afterRun = afterRun
        }
    }

    /// What has to be seen on the feed before Cilium is installed and clusters are connected. Without it no step waits for telemetry, as a mesh
    /// may have none.
    package struct Telemetry: Hashable, Sendable, Codable {
        /// The longest that an agent and its tracer may say nothing.
        package var silence: TimeSpan
        /// The share of a minute's events that may be lost, in percent.
        package var loss: Int
        /// Whether each node must have been seen to start a program in the last minutes.
        package var executions: Bool
        /// The kernel's reasons for which no packet between clusters may have been dropped in the last minute.
        package var drops: [String]
        /// The share of TCP segments that may be sent again, in percent; absent for any.
        package var resent: Int?
        /// What Hubble has to show of connectivity tests; absent where it is not asked.
        package var flows: Flows?
        /// Tracing policies that each node's Tetragon must have enabled, by name or as `NAMESPACE/NAME`; absent for none.
        package var policies: [String]?
        package init(
            silence: TimeSpan = TimeSpan(.seconds(30)), loss: Int = 1, executions: Bool = false, drops: [String] = [], resent: Int? = nil,
            flows: Flows? = nil, policies: [String]? = nil
        ) {
            self.silence = silence
            self.loss = loss
            self.executions = executions
            self.drops = drops
            self.resent = resent
            self.flows = flows
            self.policies = policies
        }
    }

    /// What Hubble has to show of connectivity tests: flows that arrive both ways, and no drop between the two clusters but those for expected
    /// reasons.
    package struct Flows: Hashable, Sendable, Codable {
        /// Reasons, as Hubble writes them, that are no fault of the way between clusters. Policies deny, in the test's own scenarios as elsewhere.
        package var expectedDrops: [String]
        package init(expectedDrops: [String] = ["POLICY_DENIED", "POLICY_DENY", "AUTH_REQUIRED"]) { self.expectedDrops = expectedDrops }
    }

    /// How disks are wiped, and what proves that they were.
    package struct Wipes: Hashable, Sendable, Codable {
        /// 2: a node's disk must be the same for the node and for its hypervisor, where mesh.yaml names one. 1: the node's word is enough.
        package var witnesses: Int
        /// A disk up to this size is read back byte by byte after method `zero`; a larger one in strata.
        package var readBack: ByteCount
        /// The share of a zeroed disk, in percent, that is read once more where a seed says after the wipe is over.
        package var sample: Int
        package init(witnesses: Int = 2, readBack: ByteCount = ByteCount(bytes: 256 << 30), sample: Int = 10) {
            self.witnesses = witnesses
            self.readBack = readBack
            self.sample = sample
        }

        /// How a wipe of a disk of this size is verified.
        package func verification(_ method: WarrantTerms.Method, size: UInt64) -> WarrantTerms.Verification {
            method == .zero && size > readBack.bytes ? .strata : .full
        }

        /// The share that the proof after the wipe must cover: nothing between the labels where only labels were cleared.
        package func share(_ method: WarrantTerms.Method) -> Int { method == .labels ? 0 : sample }
    }
}
