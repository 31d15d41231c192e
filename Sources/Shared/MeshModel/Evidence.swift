// SPDX-License-Identifier: Apache-2.0

/// Where an evidence belongs in the coordinator's table.
package struct EvidenceKey: Hashable, Sendable, Codable, Comparable {
    package let subject: Subject
    package let probe: ProbeKind
    package init(_ subject: Subject, _ probe: ProbeKind) {
        self.subject = subject
        self.probe = probe
    }
    package static func < (left: Self, right: Self) -> Bool { (left.subject, left.probe) < (right.subject, right.probe) }
}

/// Facts with their origin and age. The coordinator stamps `takenAt` on its own clocks from the age that the agent reports.
package struct Evidence: Hashable, Sendable, Codable {
    package var subject: Subject
    package var probe: ProbeKind
    /// The agent's boot when the facts were taken; absent for facts of the coordinator's drivers.
    package var bootID: BootID?
    package var takenAt: Moment
    package var facts: [Fact]
    /// The task that asked, when one did.
    package var task: TaskID?

    package init(subject: Subject, probe: ProbeKind, bootID: BootID?, takenAt: Moment, facts: [Fact], task: TaskID? = nil) {
        self.subject = subject
        self.probe = probe
        self.bootID = bootID
        self.takenAt = takenAt
        self.facts = facts
        self.task = task
    }
    package var key: EvidenceKey { EvidenceKey(subject, probe) }

    /// Whether `other` says nothing new: what only counts time (uptime, the times of a clock exchange, round trips) is looked past.
    ///
    /// - Parameter essentially: look past the links of pods, too, of which only a plan that takes something down wants to know.
    package func says(sameAs other: Evidence, essentially: Bool = false) -> Bool {
        if essentially, probe == .links { return LinkEssentials(facts) == LinkEssentials(other.facts) }
        return facts.count == other.facts.count && zip(facts, other.facts).allSatisfy { $0.says(sameAs: $1) }
    }
}

/// One atomic statement about the world.
package enum Fact: Hashable, Sendable, Codable {
    case host(HostFact)
    case disk(DiskFact)
    case wiper(WiperFact)
    case blankness(BlanknessFact)
    case wipe(WipeReport)
    case virtualDisk(VirtualDiskFact)
    case link(LinkFact)
    case route(RouteFact)
    case reach(ReachFact)
    case path(PathFact)
    case handshake(HandshakeFact)
    case vlan(VLANFact)
    case outside(OutsideFact)
    case clock(ClockFact)
    case kernel(KernelFact)
    case cluster(ClusterFact)
    case terraform(TerraformFact)
    case provision(ProvisionFact)
    case destruction(DestructionFact)
    case secrets(SecretsFact)
    case contexts(ContextsFact)
    case connectivity(ConnectivityFact)
    case talos(TalosFact)
    /// From the host's API, as the coordinator asked it. It has no wire form: no agent can speak for the API.
    case hypervisor(HypervisorFact)
    /// From the host's own files, as its agent read them.
    case hypervisorFiles(HypervisorFact)
    /// As the coordinator counted it on arrival. It has no wire form: no agent can vouch for its own feed.
    case telemetry(TelemetryFact)
    /// The probe ran and could not answer; the text says why. It never satisfies a gate.
    case unavailable(String)
}
