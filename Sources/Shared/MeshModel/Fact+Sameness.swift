// SPDX-License-Identifier: Apache-2.0

extension Fact {
    /// A clock that is off by a few milliseconds more or less is no news.
    private static let clockTolerance: Int64 = 10
    /// From here on a host counts as settled, and a longer uptime is no news.
    private static let settledUptime = Duration.seconds(60)

    func says(sameAs other: Fact) -> Bool {
        switch (self, other) {
        case (.host(let mine), .host(var theirs)):
            guard (mine.uptime.duration < Self.settledUptime) == (theirs.uptime.duration < Self.settledUptime) else { return false }
            theirs.uptime = mine.uptime
            return mine == theirs
        case (.clock(let mine), .clock(let theirs)):
            guard let left = mine.offset, let right = theirs.offset, mine.synchronised == theirs.synchronised else { return false }
            return abs(left.ahead.inMilliseconds - right.ahead.inMilliseconds) <= Self.clockTolerance
                && abs(left.uncertainty.inMilliseconds - right.uncertainty.inMilliseconds) <= Self.clockTolerance
        case (.reach(let mine), .reach(var theirs)):
            theirs.roundTrip = mine.roundTrip
            return mine == theirs
        case (.hypervisor(let mine), .hypervisor(let theirs)), (.hypervisorFiles(let mine), .hypervisorFiles(let theirs)):
            return mine.says(sameAs: theirs)
        case (.handshake(let mine), .handshake(let theirs)): return mine.says(sameAs: theirs)
        case (.path(let mine), .path(let theirs)): return mine.says(sameAs: theirs)
        case (.outside(let mine), .outside(let theirs)): return mine.says(sameAs: theirs)
        case (.vlan(let mine), .vlan(let theirs)): return mine.says(sameAs: theirs)
        case (.kernel(let mine), .kernel(var theirs)):
            // Programs come and go with pods, and count; nothing is decided by them.
            theirs.platform?.programs = mine.platform?.programs
            return mine == theirs
        case (.talos(let mine), .talos(let theirs)): return mine.says(sameAs: theirs)
        default: return self == other
        }
    }
}

extension TalosFact {
    /// How many entries a member of etcd is behind changes with each look; whether it keeps up is what matters.
    fileprivate func says(sameAs other: TalosFact) -> Bool {
        guard case .machine(let mine) = answer, case .machine(var theirs) = other.answer, let status = mine.etcd?.status,
            let otherStatus = theirs.etcd?.status, status.keepsUp == otherStatus.keepsUp
        else { return self == other }
        theirs.etcd?.status?.unapplied = status.unapplied
        return node == other.node && mine == theirs
    }
}
