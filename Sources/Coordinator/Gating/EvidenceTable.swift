// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// The newest evidence of each kind about each subject, and which boot of each node it must belong to.
package struct EvidenceTable: Hashable, Sendable {
    package private(set) var newest: [EvidenceKey: Evidence] = [:]
    package private(set) var boots: [NodeID: BootID] = [:]
    private var bootLearned: [NodeID: Moment] = [:]
    /// Since when a cluster's connections have been seen as they are now.
    private var steadySince: [EvidenceKey: Moment] = [:]

    /// Between two looks that are further apart anything may have happened.
    private static let widestGap = Duration.seconds(60)

    package init() {}

    /// Whether an evidence may be used, and if not, why.
    package enum Standing {
        case fresh(Evidence)
        case missing
        case stale(Evidence, age: Duration)
        case otherBoot(Evidence, now: BootID)
    }

    /// Takes evidence in unless something newer is known. A new boot id of a node voids what its earlier boot said.
    package mutating func take(_ evidence: Evidence) {
        if case .node(let node) = evidence.subject, let boot = evidence.bootID { learn(boot, of: node, at: evidence.takenAt) }
        if let known = newest[evidence.key], known.takenAt.boot > evidence.takenAt.boot { return }
        if evidence.probe == .cluster {
            let known = newest[evidence.key]
            if known == nil || known?.connections != evidence.connections || isWide(from: known, to: evidence.takenAt) {
                steadySince[evidence.key] = evidence.takenAt
            }
        }
        newest[evidence.key] = evidence
    }

    /// Which boot a node was in at `at`. News from before the last such moment changes nothing: a late report of the old boot must not revive
    /// what that boot said.
    package mutating func learn(_ boot: BootID, of node: NodeID, at: Moment) {
        if let learned = bootLearned[node], boots[node] != boot, learned.boot >= at.boot { return }
        if boots[node] != boot || bootLearned[node] == nil { bootLearned[node] = at }
        boots[node] = boot
    }

    /// The same facts, seen again later.
    package mutating func renew(_ key: EvidenceKey, takenAt: Moment) {
        guard let known = newest[key], known.takenAt.boot < takenAt.boot else { return }
        if steadySince[key] != nil, isWide(from: known, to: takenAt) { steadySince[key] = takenAt }
        newest[key]?.takenAt = takenAt
    }

    /// A restarted coordinator machine has another boot clock: nothing it knew has an age any more.
    package mutating func forgetEverything() {
        newest.removeAll()
        bootLearned.removeAll()
        steadySince.removeAll()
    }

    /// How long a cluster's connections have been seen to be as they were seen last; zero after one look.
    package func steadiness(of key: EvidenceKey) -> Duration {
        guard let since = steadySince[key], let last = newest[key] else { return .zero }
        return last.takenAt.age(of: since)
    }

    private func isWide(from known: Evidence?, to takenAt: Moment) -> Bool {
        known.map { takenAt.age(of: $0.takenAt) > Self.widestGap } ?? true
    }

    /// - Parameter notBefore: evidence taken earlier does not count (a step's effect is judged by what was seen after it).
    package func standing(_ key: EvidenceKey, now: Moment, maxAge: Duration, notBefore: Moment?) -> Standing {
        guard let evidence = newest[key] else { return .missing }
        if key.probe.diesWithBoot, case .node(let node) = key.subject, let boot = boots[node], evidence.bootID != boot {
            return .otherBoot(evidence, now: boot)
        }
        let age = now.age(of: evidence.takenAt)
        if age > maxAge || age < .seconds(-5) { return .stale(evidence, age: age) }
        if let notBefore, evidence.takenAt.boot < notBefore.boot { return .stale(evidence, age: age) }
        return .fresh(evidence)
    }
}

extension Evidence {
    /// What a cluster's evidence says of its connections.
    fileprivate var connections: ClusterFact.Clustermesh? {
        for case .cluster(let fact) in facts { return fact.clustermesh }
        return nil
    }
}
