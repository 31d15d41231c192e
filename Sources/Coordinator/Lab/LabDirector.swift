// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// Decides what the person in a story does about what the product shows. Pure: events in, acts out, each fault answered once.
package struct LabDirector: Hashable, Sendable {
    /// What is to be done now, in this order.
    package enum Act: Hashable, Sendable {
        case tell(String, Mood)
        case explain(StepID)
        /// Read the warrant, sign it, hand it in.
        case approve(StepID)
        case repairVLAN
        case rightClock
        case restoreOption
        /// Start the tracer that nobody had started.
        case startTracer
        /// Take away the firewall that drops packets.
        case removeFirewall
        /// Look at the nodes by hand, then give each its one default route.
        case repairRoutes
        /// Pull the cable of a node of the cluster whose step this is.
        case pullCable(StepID)
        case plugCable
        /// Look at the ways by hand, then let everything through that was planned.
        case repairWay
        /// Look at the node by hand, then set its port as the others are.
        case repairPort(LabVLANFault)
        /// Ask the hypervisor by hand, then give the machine its planned VLAN.
        case repairGuest
        case removeLeftover(LabLeftover)
        case removeForeignCA
        /// Have the clustermesh API server take up the certificate that it was issued.
        case reloadServer
        case killCoordinator
    }
    package enum Mood: Hashable, Sendable { case plain, good, held, bad }

    /// The product's words that a director knows; a test compares them with the product's own.
    package static let knownCodes = ["missing", "stale", "rebooted", "unreachable", "skewed", "mismatch", "inUse", "needsWarrant"]
    /// The gate that compares the clusters' Cilium CAs.
    package static let meshCAGate = "G-CM-02"
    /// The gate of handshakes with other clusters' API servers.
    package static let handshakeGate = "G-CM-07"
    /// The gates of addresses with default routes, and of links.
    package static let routeGate = "G-NET-02"
    package static let linkGate = "G-NET-01"
    package static let kernelGate = "G-HST-04"
    package static let telemetryGate = "G-TEL-01"
    package static let dropGate = "G-TEL-03"
    /// The kernel's word for what a firewall drops.
    package static let dropReason = "NETFILTER_DROP"
    package static let guestGate = "G-PVE-03"
    /// The gate of tagged frames.
    package static let vlanGate = "G-NET-03"
    /// How a step says that it waits because ground below it was lost.
    package static let lostGround = "has given way"
    /// How `meshgate apply` says that a coordinator has come back.
    package static let backAgain = "the coordinator is back"
    /// Evidence that is still on its way.
    private static let passing = Set(knownCodes.prefix(3))

    private let scenario: LabScenario
    private let order: LabOrder
    private let tellsUnchanged: Bool
    private var unchanged = 0
    private var hasApproved = false
    private var done: Set<Act> = []
    private var shown: [StepID: String] = [:]
    /// Held by a gate at least once; what the story promised to show.
    package private(set) var heldSteps: Set<StepID> = []
    package private(set) var ending: String?
    package private(set) var changed = 0

    /// With `tellsUnchanged` off, steps that were already done are only counted.
    package init(_ scenario: LabScenario, during order: LabOrder = .apply, tellsUnchanged: Bool = true) {
        self.scenario = scenario
        self.order = order
        self.tellsUnchanged = tellsUnchanged
    }

    package mutating func react(to event: LabEvent) -> [Act] {
        switch event {
        case .note(let text): note(text)
        case .ended(let ending, let changed): end(ending, changed)
        case .step(let step, let state, let reasons, let detail): move(step, state, reasons, detail)
        }
    }

    /// What the story should have seen and has not; empty after a good performance.
    package var missing: [String] {
        var missing: [String] = []
        if ending != "succeeded" { missing.append("the run ended \(ending.map { "as \"\($0)\"" } ?? "without saying how")") }
        guard order == .apply else { return missing }
        func wants(_ condition: Bool, _ act: Act, _ words: String) { if condition, !done.contains(act) { missing.append(words) } }
        if scenario.hasDirtyDisks, !hasApproved {
            missing.append("no wipe was held for a warrant")
        }
        wants(scenario.losesVLAN, .repairVLAN, "the missing VLAN held no step")
        wants(scenario.skewsClock, .rightClock, "the wrong clock held no step")
        wants(scenario.lacksOption, .restoreOption, "the kernel without its option held no step")
        wants(scenario.silencesTracer, .startTracer, "the silent tracer held no step")
        wants(scenario.dropsPackets, .removeFirewall, "the dropped packets held no step")
        wants(scenario.losesRoutes, .repairRoutes, "the wrong default routes held no step")
        wants(scenario.losesLink, .plugCable, "the lost link held no step")
        wants(scenario.wayFault != nil, .repairWay, "the spoiled way held no step")
        for fault in scenario.hasWrongPorts ? LabVLANFault.allCases : [] {
            wants(true, .repairPort(fault), "the port that is \(fault.rawValue) held no step")
        }
        wants(scenario.hasWrongGuest, .repairGuest, "the wrong machine held no step")
        for leftover in scenario.hasLeftovers ? LabLeftover.allCases : [] {
            wants(true, .removeLeftover(leftover), "what was left (\(leftover.rawValue)) held no step")
        }
        wants(scenario.hasForeignCA, .removeForeignCA, "the foreign CA held no step")
        wants(scenario.hasStaleServer, .reloadServer, "the stale certificate held no step")
        wants(scenario.killsCoordinator, .killCoordinator, "the coordinator was never killed")
        return missing
    }

    /// A coordinator that was killed in the middle of an attempt has used its warrant up: the person signs again where it asks again.
    private mutating func note(_ text: String) -> [Act] {
        if text.hasPrefix(Self.backAgain) {
            done = done.filter { if case .approve = $0 { false } else { true } }
        }
        return [.tell(text, .plain)]
    }

    private mutating func end(_ ending: String, _ changed: Int) -> [Act] {
        guard self.ending == nil else { return [] }
        self.ending = ending
        self.changed = changed
        let counts =
            unchanged > 0 ? "\(changed) steps changed something, \(unchanged) were already done" : "\(changed) steps changed something"
        return [.tell("the run \(ending): \(counts)", ending == "succeeded" ? .good : .bad)]
    }

    private mutating func move(_ step: StepID, _ state: String, _ reasons: [LabEvent.Reason], _ detail: String) -> [Act] {
        if state == "held" { return hold(step, reasons) }
        guard shown.updateValue(state, forKey: step) != state else { return [] }
        switch state {
        case "done":
            let pulled = done.contains { if case .pullCable = $0 { true } else { false } }
            let pull = scenario.losesLink && !pulled && step.text.hasSuffix("/cilium") && once(.pullCable(step))
            return [.tell("done      \(step)\(suffix(detail))", .good)] + (pull ? [.pullCable(step)] : [])
        case "unchanged":
            unchanged += 1
            return tellsUnchanged ? [.tell("unchanged \(step)\(suffix(detail))", .good)] : []
        case "failed": return [.tell("failed    \(step)\(suffix(detail))", .bad)]
        case "running", "verifying":
            // In the middle of an install: its intent is in the journal and its outcome is not.
            let kill = scenario.killsCoordinator && step.text.hasSuffix("/cilium") && once(.killCoordinator)
            return (state == "running" ? [.tell("running   \(step)", .plain)] : []) + (kill ? [.killCoordinator] : [])
        default: return []
        }
    }

    private mutating func hold(_ step: StepID, _ reasons: [LabEvent.Reason]) -> [Act] {
        // Evidence that is still on its way opens by itself and is no story.
        guard let reason = reasons.first(where: { !Self.passing.contains($0.code) }) else { return [] }
        heldSteps.insert(step)
        var acts: [Act] = []
        let line = "held      \(step): \(reason.detail) [\(reason.gate)]"
        if shown.updateValue(line, forKey: step) != line { acts.append(.tell(line, .held)) }
        for answer in answers(step, reasons) where once(answer) {
            if case .approve = answer { hasApproved = true }
            acts += once(.explain(step)) ? [.explain(step), answer] : [answer]
        }
        return acts
    }

    private func answers(_ step: StepID, _ reasons: [LabEvent.Reason]) -> [Act] {
        let codes = Set(reasons.map(\.code))
        var answers: [Act] = []
        // A service that is only just starting refuses; silence is what a lost VLAN looks like.
        let isSilence = reasons.allSatisfy { $0.code != "unreachable" || !$0.detail.contains("refused") }
        if scenario.losesVLAN, codes.contains("unreachable"), isSilence { answers.append(.repairVLAN) }
        if scenario.skewsClock, codes.contains("skewed") { answers.append(.rightClock) }
        if scenario.lacksOption, reasons.contains(where: { $0.gate == Self.kernelGate && $0.code == "unfit" }) {
            answers.append(.restoreOption)
        }
        if scenario.silencesTracer, reasons.contains(where: { $0.gate == Self.telemetryGate }) { answers.append(.startTracer) }
        if scenario.dropsPackets, reasons.contains(where: { $0.gate == Self.dropGate && $0.code == "unreachable" }) {
            answers.append(.removeFirewall)
        }
        if scenario.losesRoutes, reasons.contains(where: { $0.gate == Self.routeGate }) { answers.append(.repairRoutes) }
        if scenario.losesLink, reasons.contains(where: { $0.gate == Self.linkGate && $0.detail.contains(Self.lostGround) }) {
            answers.append(.plugCable)
        }
        if let fault = scenario.wayFault, reasons.contains(where: { $0.gate == fault.gate }) { answers.append(.repairWay) }
        if scenario.hasWrongPorts {
            let seen = reasons.filter { $0.gate == Self.vlanGate }
            answers += LabVLANFault.allCases.filter { fault in seen.contains { $0.detail.contains(fault.mark) } }.map(Act.repairPort)
        }
        if scenario.hasWrongGuest, reasons.contains(where: { $0.gate == Self.guestGate && $0.code == "mismatch" }) {
            answers.append(.repairGuest)
        }
        if scenario.hasLeftovers {
            let seen = reasons.filter { $0.code == "inUse" }
            answers += LabLeftover.allCases.filter { leftover in seen.contains { $0.gate == leftover.gate } }.map(Act.removeLeftover)
        }
        if scenario.hasForeignCA, reasons.contains(where: { $0.gate == Self.meshCAGate && $0.code == "mismatch" }) {
            answers.append(.removeForeignCA)
        }
        if scenario.hasStaleServer, reasons.contains(where: { $0.gate == Self.handshakeGate && $0.code == "mismatch" }) {
            answers.append(.reloadServer)
        }
        // In a teardown the person signs for what is lost; of an apply, only a story with dirty disks has something to sign.
        if scenario.hasDirtyDisks || order.takesAway, codes.contains("needsWarrant") { answers.append(.approve(step)) }
        return answers
    }

    private mutating func once(_ act: Act) -> Bool { done.insert(act).inserted }

    private func suffix(_ detail: String) -> String { detail.isEmpty ? "" : ": \(detail)" }
}
